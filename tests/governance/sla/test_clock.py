"""E11: deadlines in business time with holidays; the pause while waiting on the client; both times kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from lifecycle.core.errors import Invalid
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.cards.waiting import start_waiting, stop_waiting
from lifecycle.governance.sla.clock import view
from lifecycle.records.cards.models import SlaPause, StageVisit
from lifecycle.records.evidence.models import Event
from tests.factories.cards import KnownCard, a_card, card_row, change, moved, rows
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _card(app: Flask, by: Person, sla: str) -> KnownCard:
    publish_lab(app, f"first: {{ {sla} }}\nsecond: {{}}")
    return a_card(app, by)


def _wait(app: Flask, card: KnownCard, by: Person, reason: str = "Their signature") -> None:
    change(app, card, by, lambda subject, actor: start_waiting(subject, actor, reason))


def _go_on(app: Flask, card: KnownCard, by: Person) -> None:
    change(app, card, by, stop_waiting)


@pytest.mark.parametrize(
    ("entered", "sla", "due"),
    [
        # Thursday before Christmas, a Friday: two business days are Monday and Tuesday.
        ("2026-12-24T10:00", "sla: 2 business days", "2026-12-29T10:00"),
        ("2026-12-24T16:00", "sla: 4 business hours", "2026-12-28T12:00"),
        # Saturday: the time begins on Monday morning.
        ("2026-11-07T12:00", "sla: 1 business hour", "2026-11-09T10:00"),
        ("2026-11-06T16:00", "sla: 3 days", "2026-11-09T16:00"),
        # London goes back an hour on 25 October and forward on 28 March: the wall clock counts.
        ("2026-10-23T09:00", "sla: 1 business day", "2026-10-26T10:00"),
        ("2027-03-26T10:00", "sla: 1 business day", "2027-03-29T09:00"),
    ],
)
def test_e11_a_deadline_is_counted_in_business_time(
    app: Flask, member: Person, entered: str, sla: str, due: str
) -> None:
    with time_machine.travel(utc(entered), tick=False):
        card = _card(app, member, sla)
    assert card_row(app, card)["sla_due_at"] == utc(due)
    (visit,) = rows(app, StageVisit)
    assert visit["sla_due_at"] == utc(due)


def test_e11_a_stage_without_an_sla_has_no_deadline(app: Flask, member: Person) -> None:
    card = _card(app, member, "")
    assert card_row(app, card)["sla_due_at"] is None


def test_e11_the_clock_says_on_track_due_soon_breached_and_paused(app: Flask, member: Person) -> None:
    with time_machine.travel(utc("2026-11-02T09:00"), tick=False) as clock:
        card = _card(app, member, "sla: 8 business hours, due_soon: 2 business hours")

        def state() -> str:
            with app.app_context():
                s = get_subject(card.id)
                v = view(
                    s.playbook,
                    s.stage,
                    s.visit.entered_at,
                    s.card.sla_due_at,
                    s.now,
                    paused=s.card.is_paused,
                )
                return v.state

        assert state() == "on_track"
        clock.move_to(utc("2026-11-02T14:59"))
        assert state() == "on_track"
        clock.move_to(utc("2026-11-02T15:00"))
        assert state() == "due_soon"
        clock.move_to(utc("2026-11-02T17:00"))
        assert state() == "breached"
        _wait(app, card, member)
        assert state() == "paused"


def test_e11_waiting_on_the_client_moves_the_deadline_by_the_business_time_waited(
    app: Flask, member: Person
) -> None:
    with time_machine.travel(utc("2026-11-02T10:00"), tick=False) as clock:
        card = _card(app, member, "sla: 2 business days")
        clock.move_to(utc("2026-11-03T10:00"))
        _wait(app, card, member)
        row = card_row(app, card)
        assert (row["waiting_on_client"], row["is_paused"]) == (True, True)
        # A weekend lies in it: Tuesday 10:00 to Monday 10:00 are four business days.
        clock.move_to(utc("2026-11-09T10:00"))
        _go_on(app, card, member)
    row = card_row(app, card)
    assert (row["waiting_on_client"], row["is_paused"]) == (False, False)
    assert row["sla_due_at"] == utc("2026-11-10T10:00")
    assert rows(app, StageVisit)[0]["sla_due_at"] == row["sla_due_at"]
    assert row["board_order"] == int(row["sla_due_at"].timestamp())


def test_e11_a_deadline_that_had_passed_before_the_wait_stays_passed(app: Flask, member: Person) -> None:
    with time_machine.travel(utc("2026-11-02T10:00"), tick=False) as clock:
        card = _card(app, member, "sla: 1 business hour")
        due = card_row(app, card)["sla_due_at"]
        clock.shift(timedelta(hours=2))
        _wait(app, card, member)
        clock.shift(timedelta(hours=2))
        _go_on(app, card, member)
    assert card_row(app, card)["sla_due_at"] == due


def test_e11_leaving_keeps_whose_time_it_was(app: Flask, member: Person) -> None:
    with time_machine.travel(utc("2026-11-02T10:00"), tick=False) as clock:
        card = _card(app, member, "sla: 5 business days")
        for start, end in (
            ("2026-11-02T12:00", "2026-11-02T13:00"),
            ("2026-11-03T16:00", "2026-11-04T10:00"),
        ):
            clock.move_to(utc(start))
            _wait(app, card, member)
            clock.move_to(utc(end))
            _go_on(app, card, member)
        clock.move_to(utc("2026-11-04T12:00"))
        moved(app, card, "second", member)
    visit = rows(app, StageVisit)[0]
    # Monday 7 h, Tuesday 8 h, Wednesday 3 h; of these 1 h and 1 h + 1 h were theirs.
    assert (visit["our_seconds"], visit["client_seconds"]) == (15 * 3600, 3 * 3600)


@pytest.mark.parametrize("sla", ["sla: 5 business days", "sla: 3 days", ""])
def test_e11_leaving_while_waiting_ends_the_wait_and_keeps_both_times(
    app: Flask, member: Person, sla: str
) -> None:
    with time_machine.travel(utc("2026-11-02T10:00"), tick=False) as clock:
        card = _card(app, member, sla)
        clock.shift(timedelta(hours=1))
        _wait(app, card, member)
        clock.shift(timedelta(hours=2))
        moved(app, card, "second", member)
    visit = rows(app, StageVisit)[0]
    assert (visit["our_seconds"], visit["client_seconds"]) == (3600, 7200)
    (pause,) = rows(app, SlaPause)
    assert pause["ended_at"] == visit["left_at"]
    row = card_row(app, card)
    assert (row["waiting_on_client"], row["is_paused"]) == (False, False)


@pytest.mark.parametrize("sla", ["sla: 5 business days", "sla: 3 days", ""])
def test_e11_an_earlier_wait_is_remembered_on_leaving(app: Flask, member: Person, sla: str) -> None:
    with time_machine.travel(utc("2026-11-02T10:00"), tick=False) as clock:
        card = _card(app, member, sla)
        _wait(app, card, member)
        clock.shift(timedelta(hours=2))
        _go_on(app, card, member)
        clock.shift(timedelta(hours=1))
        moved(app, card, "second", member)
    visit = rows(app, StageVisit)[0]
    assert (visit["our_seconds"], visit["client_seconds"]) == (3600, 7200)


def test_e11_a_wait_over_night_that_moves_no_deadline_is_the_clients_all_the_same(
    app: Flask, member: Person
) -> None:
    """Closed hours cost nobody anything: neither time counts them."""
    with time_machine.travel(utc("2026-11-02T16:00"), tick=False) as clock:
        card = _card(app, member, "sla: 5 business days")
        clock.move_to(utc("2026-11-02T18:00"))
        _wait(app, card, member)
        clock.move_to(utc("2026-11-03T08:00"))
        _go_on(app, card, member)
        clock.move_to(utc("2026-11-03T10:00"))
        moved(app, card, "second", member)
    visit = rows(app, StageVisit)[0]
    assert (visit["our_seconds"], visit["client_seconds"]) == (2 * 3600, 0)


def test_e11_a_wait_has_a_reason_begins_once_and_is_evidence(app: Flask, member: Person) -> None:
    card = _card(app, member, "sla: 1 business day")
    with pytest.raises(Invalid, match="Say what the client must do"):
        _wait(app, card, member, " \u202e ")
    _wait(app, card, member)
    with pytest.raises(Invalid, match="already waiting"):
        _wait(app, card, member)
    _go_on(app, card, member)
    _go_on(app, card, member)
    kinds = [event["kind"] for event in rows(app, Event, card_id=card.id)]
    assert kinds.count("card.waiting.started") == kinds.count("card.waiting.ended") == 1
