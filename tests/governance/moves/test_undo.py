"""E23: a move is undone by its author within a minute, as a third visit; nothing is erased."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict, Invalid, NotPermitted
from lifecycle.governance.cards.edit import archive_card
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.cards.waiting import start_waiting, stop_waiting
from lifecycle.governance.moves.undo import undo_move
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import SlaPause, StageVisit, Waiver
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.work.tasks.models import Task
from tests.factories.cards import (
    KnownCard,
    a_card,
    card_row,
    change,
    fill,
    gate,
    make_account,
    moved,
    rows,
    stage_of,
    visit_of,
)
from tests.factories.people import Person, make_department, make_user
from tests.factories.playbooks import publish_lab

STAGES = """
first: { sla: 2 business days, next_action: { do: Begin, due: 1 day } }
second:
  owner: round robin
  department: office
  sla: 5 business days
  next_action: { do: Go on, due: 2 days }
  tasks: { weigh: Weigh it, sweep: Sweep }
  asks: { colour: {}, district: { required: no } }
third: {}
"""
START = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
RESTORED = (
    "stage_id",
    "owner_id",
    "department_key",
    "next_action",
    "next_action_due_at",
    "next_action_assignee_id",
    "sla_due_at",
    "board_order",
    "fields",
    "gate_passed",
    "gate_total",
    "is_paused",
    "waiting_on_client",
)


@pytest.fixture
def member(app: Flask) -> Person:
    make_department(app, "office")
    make_user(app, departments=("office",))
    return make_user(app)


@pytest.fixture
def card(app: Flask, member: Person) -> KnownCard:
    publish_lab(app, STAGES)
    return a_card(app, member)


def undo(app: Flask, card: KnownCard, by: Person, visit: int | None = None) -> None:
    seen = visit_of(app, card) if visit is None else visit
    with app.app_context(), transaction():
        undo_move(card.id, seen, actor=by.actor)


def _go(app: Flask, card: KnownCard, by: Person, **answers: str) -> None:
    moved(app, card, "second", by, answers={"colour": "red", **answers})


def _what_counts(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in RESTORED}


def test_e23_an_undo_restores_all_that_the_move_changed(app: Flask, card: KnownCard, member: Person) -> None:
    fill(app, card, member, colour="blue", wish="Rye")
    before = _what_counts(card_row(app, card))
    _go(app, card, member)
    after = _what_counts(card_row(app, card))
    assert all(before[key] != after[key] for key in ("stage_id", "owner_id", "department_key", "fields"))
    undo(app, card, member)
    assert _what_counts(card_row(app, card)) == before


def test_e23_a_field_that_was_empty_before_the_move_is_empty_again(
    app: Flask, card: KnownCard, member: Person
) -> None:
    _go(app, card, member)
    undo(app, card, member)
    assert card_row(app, card)["fields"].get("colour") is None


def test_e23_an_undo_restores_a_field_of_the_account_on_the_account(app: Flask, member: Person) -> None:
    publish_lab(app, STAGES)
    account = make_account(app, owner=member, fields={"district": "North", "other": "kept"})
    card = a_card(app, member, account=account)
    _go(app, card, member, district="South")
    undo(app, card, member)
    (row,) = rows(app, Account, id=account)
    assert row["fields"] == {"district": "North", "other": "kept"}
    assert "district" not in card_row(app, card)["fields"]


def test_e23_what_an_undo_puts_back_into_fields_is_evidence(
    app: Flask, card: KnownCard, member: Person
) -> None:
    _go(app, card, member)
    undo(app, card, member)
    kept = [
        e["body"]["data"] for e in rows(app, Event, card_id=card.id) if e["kind"] == "card.fields.changed"
    ]
    assert sorted((each["changes"]["colour"]["after"] or "") for each in kept) == ["", "red"]


def test_e23_an_undo_cancels_the_tasks_that_the_move_made(
    app: Flask, card: KnownCard, member: Person
) -> None:
    _go(app, card, member)
    undo(app, card, member)
    assert [task["cancelled_at"] is not None for task in rows(app, Task)] == [True, True]


def test_e23_the_pair_stays_on_record_and_the_chains_stay_sound(
    app: Flask, card: KnownCard, member: Person
) -> None:
    _go(app, card, member)
    undone = visit_of(app, card)
    undo(app, card, member)
    first, second, third = rows(app, StageVisit, card_id=card.id)
    assert [first["number"], second["number"], third["number"]] == [1, 2, 3]
    assert third["continues_visit_id"] == first["id"]
    assert third["entered_by_edge"] == "undo"
    assert (first["left_at"], second["left_at"]) == (second["entered_at"], third["entered_at"])
    assert third["stage_id"] == first["stage_id"]
    event = next(e for e in rows(app, Event, card_id=card.id) if e["kind"] == "card.move.undone")
    assert event["body"]["data"]["undone_visit"] == undone
    with app.app_context():
        assert verify_chains().is_sound
    # And it goes on from there.
    _go(app, card, member)
    assert stage_of(app, card) == "second"


def test_e23_only_the_author_may_undo(app: Flask, card: KnownCard, member: Person) -> None:
    _go(app, card, member)
    with pytest.raises(NotPermitted, match="Only the person who made a move"):
        undo(app, card, make_user(app, role="admin"))
    assert stage_of(app, card) == "second"


def test_e23_a_minute_later_it_is_too_late(app: Flask, member: Person) -> None:
    publish_lab(app, STAGES)
    with time_machine.travel(START, tick=False) as clock:
        card = a_card(app, member)
        _go(app, card, member)
        clock.shift(timedelta(seconds=60))
        undo(app, card, member)
        _go(app, card, member)
        clock.shift(timedelta(seconds=61))
        with pytest.raises(Invalid, match="for one minute"):
            undo(app, card, member)


def test_e23_after_another_move_it_is_too_late(app: Flask, card: KnownCard, member: Person) -> None:
    _go(app, card, member)
    undone = visit_of(app, card)
    moved(app, card, "third", make_user(app))
    with pytest.raises(Conflict, match="moved on since"):
        undo(app, card, member, undone)


def test_e23_neither_a_creation_nor_an_undo_can_be_undone(
    app: Flask, card: KnownCard, member: Person
) -> None:
    with pytest.raises(Invalid, match="no move to undo"):
        undo(app, card, member)
    _go(app, card, member)
    undo(app, card, member)
    with pytest.raises(Invalid, match="no move to undo"):
        undo(app, card, member)


def test_e23_an_archived_card_is_left_alone(app: Flask, card: KnownCard, member: Person) -> None:
    _go(app, card, member)
    change(app, card, member, archive_card)
    with pytest.raises(Invalid, match="archived"):
        undo(app, card, member)


def test_e23_a_viewer_has_nothing_to_undo(app: Flask, card: KnownCard, member: Person) -> None:
    _go(app, card, member)
    with pytest.raises(NotPermitted):
        undo(app, card, make_user(app, role="viewer"))


def test_e23_a_lost_card_comes_back_with_its_tasks(app: Flask, member: Person) -> None:
    publish_lab(app, "first: { tasks: { weigh: Weigh it } }")
    card = a_card(app, member)
    moved(app, card, "lost", member, answers={"why": "Too dear"})
    assert rows(app, Task)[0]["cancelled_at"] is not None
    undo(app, card, member)
    (task,) = rows(app, Task)
    assert task["cancelled_at"] is None


@pytest.mark.parametrize("hours", [1, 30])
def test_e11_e23_a_card_that_waited_on_the_client_waits_again(app: Flask, member: Person, hours: int) -> None:
    publish_lab(app, STAGES)
    with time_machine.travel(START, tick=False) as clock:
        card = a_card(app, member)
        due = card_row(app, card)["sla_due_at"]
        change(app, card, member, lambda subject, actor: start_waiting(subject, actor, "Their signature"))
        clock.shift(timedelta(hours=hours))
        before = _what_counts(card_row(app, card))
        _go(app, card, member)
        assert card_row(app, card)["waiting_on_client"] is False
        undo(app, card, member)
        assert _what_counts(card_row(app, card)) == before
        change(app, card, member, stop_waiting)
        # 1 hour of waiting is an hour; 30 from Monday 10:00 to Tuesday 16:00 are 7 + 7 business hours.
        assert card_row(app, card)["sla_due_at"] > due
        pauses = rows(app, SlaPause)
    assert len(pauses) == 2
    assert {pause["reason"] for pause in pauses} == {"Their signature"}
    assert all(pause["ended_at"] is not None for pause in pauses)


def test_e23_an_undo_is_no_way_around_the_tasks_of_the_stage(app: Flask, member: Person) -> None:
    publish_lab(app, "first: { tasks: { weigh: Weigh it }, leave: [ { task: all } ] }\nsecond: {}")
    card = a_card(app, member)
    moved(app, card, "lost", member, answers={"why": "Too dear"})
    undo(app, card, member)
    assert [result.sentence for result in gate(app, card, "second").blocked] == [
        "1 of 1 tasks are open: “Weigh it”."
    ]


def test_an_unknown_visit_is_no_move_of_this_card(app: Flask, card: KnownCard, member: Person) -> None:
    _go(app, card, member)
    for visit in (0, -1, card.visit, 2**62):
        with pytest.raises(Conflict):
            undo(app, card, member, visit)
    with pytest.raises(Exception, match="no such card"):
        undo(app, KnownCard(uuid.uuid4(), 1, card.account, ""), member, 1)


def test_e23_an_undo_goes_on_with_the_stay_that_the_move_interrupted(
    app: Flask, card: KnownCard, member: Person
) -> None:
    """The minimum stay, the age and a waiver are of the stay, not of the visit that the undo had to open."""
    with app.app_context():
        began = get_subject(card.id).began_at
        with transaction():
            db.session.add(
                Waiver(
                    card_id=card.id,
                    visit_id=card.visit,
                    check_key="first.leave.field.x",
                    reason="agreed",
                    given_by=member.id,
                )
            )
    visit = moved(app, card, "second", member, answers={"colour": "red"}).visit_id
    with app.app_context():
        with transaction():
            undo_move(card.id, visit, actor=member.actor)
        again = get_subject(card.id)
        assert again.began_at == began
        assert again.visit.entered_at > began
        kept = db.session.scalars(select(Waiver).where(Waiver.visit_id == again.visit.id)).all()
        assert [waiver.reason for waiver in kept] == ["agreed"]
