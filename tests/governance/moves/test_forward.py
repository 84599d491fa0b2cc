"""E2, E3, E5: forward through a gate that is met; a gate that is not met tells all and writes nothing."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core import clock
from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound, NotPermitted
from lifecycle.governance.cards.edit import archive_card
from lifecycle.governance.moves import move as moving
from lifecycle.governance.moves.outcome import Blocked, Moved, Stale
from lifecycle.records.cards.models import GateReport, StageVisit
from tests.factories.cards import (
    KnownCard,
    a_card,
    card_row,
    change,
    fulfil,
    gate,
    make_account,
    move,
    moved,
    rows,
    stage_of,
    visit_of,
)
from tests.factories.people import Person, make_user
from tests.factories.playbooks import GROWTH, publish_growth, publish_lab

STAGES = """
first: { leave: [ { field: [colour, pieces] }, { checklist: bench_clear }, { evidence: photo } ] }
second: { leave: [ { field: price } ] }
third: { enter: [ { field: wish } ] }
"""


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app)


def _everything_but_reports(app: Flask) -> dict[str, list[str]]:
    """Every row of every table, save the gate reports."""
    with app.app_context():
        tables = db.session.scalars(
            sa.text(
                "select tablename from pg_tables where schemaname = 'public' "
                "and tablename not in ('gate_reports', 'alembic_version')"
            )
        ).all()
        return {
            name: sorted(db.session.scalars(sa.text(f'select to_jsonb(t)::text from "{name}" t')))
            for name in tables
        }


def _card(app: Flask, member: Person, **more) -> KnownCard:
    publish_lab(app, STAGES)
    return a_card(app, member, **more)


def test_e5_a_card_whose_gate_is_met_moves_and_its_visits_form_a_chain(app: Flask, member: Person) -> None:
    card = _card(app, member)
    fulfil(app, card, member, "second")
    outcome = moved(app, card, "second", member)
    first, second = rows(app, StageVisit, card_id=card.id)
    assert (first["number"], second["number"]) == (1, 2)
    assert first["left_at"] == second["entered_at"]
    assert first["left_by"] == second["entered_by"] == member.id
    assert first["left_channel"] == second["entered_channel"] == "board"
    assert second["left_at"] is None
    assert outcome.visit_id == second["id"] == visit_of(app, card)
    assert stage_of(app, card) == "second"


def test_e3_the_gate_report_of_a_move_is_kept_and_named_by_its_visit(app: Flask, member: Person) -> None:
    card = _card(app, member)
    fulfil(app, card, member, "second")
    moved(app, card, "second", member)
    (report,) = rows(app, GateReport, card_id=card.id)
    visit = rows(app, StageVisit, card_id=card.id)[-1]
    assert (report["outcome"], report["id"]) == ("passed", visit["gate_report_id"])
    assert report["at"] <= visit["entered_at"]
    assert [result["state"] for result in report["results"]] == ["passed"] * 4
    assert [result["check"] for result in report["results"]] == [
        "first.leave.field.colour",
        "first.leave.field.pieces",
        "first.leave.checklist.bench_clear",
        "first.leave.evidence.photo",
    ]


def test_e3_a_blocked_move_tells_every_unmet_check_and_keeps_only_a_report(
    app: Flask, member: Person
) -> None:
    card = _card(app, member)
    before = _everything_but_reports(app)
    outcome = move(app, card, "second", member)
    assert isinstance(outcome, Blocked)
    assert outcome.sentences == [
        "Colour is missing.",
        "Pieces is missing.",
        "Bench clear: 0 of 3 items ticked.",
        "Photo is not attached.",
    ]
    assert _everything_but_reports(app) == before
    (report,) = rows(app, GateReport)
    assert (report["outcome"], report["from_visit_id"], report["actor_id"]) == (
        "blocked",
        card.visit,
        member.id,
    )
    assert [result["sentence"] for result in report["results"]] == outcome.sentences


def test_e5_a_stale_move_says_who_moved_the_card_and_where_and_writes_nothing(
    app: Flask, member: Person
) -> None:
    card = _card(app, member)
    grace = make_user(app, name="Grace Hopper")
    fulfil(app, card, member, "second")
    moved(app, card, "second", grace)
    before = _everything_but_reports(app)
    outcome = move(app, card, "second", member, seen=card.visit)
    assert isinstance(outcome, Stale)
    assert outcome.sentence == "Grace Hopper moved this card to Second meanwhile. Nothing was changed."
    assert _everything_but_reports(app) == before
    assert len(rows(app, GateReport)) == 1


def test_e2_a_skip_passes_only_if_every_gate_it_jumps_passes(app: Flask, member: Person) -> None:
    card = _card(app, member)
    fulfil(app, card, member, "second")
    outcome = move(app, card, "third", member)
    assert isinstance(outcome, Blocked)
    assert outcome.way.kind == "skip"
    assert outcome.sentences == ["Price is missing.", "Wish is missing."]
    fulfil(app, card, member, "third")
    assert isinstance(move(app, card, "third", member), Moved)
    assert [visit["entered_by_edge"] for visit in rows(app, StageVisit)] == ["created", "skip"]


def test_e2_a_minimum_stay_in_a_stage_that_is_jumped_cannot_be_met(app: Flask, member: Person) -> None:
    publish_lab(app, "first: {}\nsecond: { leave: [ { time: { at_least: 1 day } } ] }\nthird: {}")
    card = a_card(app, member)
    outcome = move(app, card, "third", member)
    assert isinstance(outcome, Blocked)
    assert outcome.sentences == ["A stay of 1 day is required there."]


def test_a_move_to_where_the_card_stands_or_to_no_stage_is_refused(app: Flask, member: Person) -> None:
    card = _card(app, member)
    with pytest.raises(Invalid, match="already in First"):
        move(app, card, "first", member)
    for nowhere in ("", "fourth", "First", "\x00", "first " * 1000):
        with pytest.raises(Invalid, match="no such stage"):
            move(app, card, nowhere, member)
    assert rows(app, GateReport) == []


def test_a_card_that_is_not_there_is_not_found(app: Flask, member: Person) -> None:
    publish_lab(app, STAGES)
    nobody = KnownCard(uuid.uuid4(), 1, uuid.uuid4(), "")
    with pytest.raises(NotFound):
        move(app, nobody, "second", member, seen=1)


def test_a_viewer_may_not_move_a_card(app: Flask, member: Person) -> None:
    card = _card(app, member)
    with pytest.raises(NotPermitted, match="members, managers and administrators may"):
        move(app, card, "second", make_user(app, role="viewer"))


def test_an_archived_card_is_not_moved(app: Flask, member: Person) -> None:
    card = _card(app, member)
    fulfil(app, card, member, "second")
    change(app, card, member, archive_card)
    with pytest.raises(Invalid, match="archived"):
        move(app, card, "second", member)


def test_e4_an_account_field_is_met_by_the_account(app: Flask, member: Person) -> None:
    publish_lab(app, "first: { leave: [ { field: [district, country] } ] }\nsecond: {}")
    bare = a_card(app, member)
    assert not gate(app, bare, "second").is_open
    account = make_account(app, owner=member, country="GB", fields={"district": "North"})
    assert isinstance(move(app, a_card(app, member, account=account), "second", member), Moved)


def test_e10_an_open_card_always_has_a_next_action_with_due_date_and_assignee(
    app: Flask, member: Person
) -> None:
    publish_growth(app)
    card = a_card(app, member, slug=GROWTH)
    for stage in ("verified", "outreach_sent", "follow_up_1"):
        fulfil(app, card, member, stage)
        moved(app, card, stage, member)
        row = card_row(app, card)
        assert row["next_action"]
        assert row["next_action_due_at"] is not None
        assert row["next_action_assignee_id"] == row["owner_id"] == member.id


def test_the_summary_on_the_face_is_that_of_the_stage_entered(app: Flask, member: Person) -> None:
    card = _card(app, member)
    assert (card_row(app, card)["gate_passed"], card_row(app, card)["gate_total"]) == (0, 4)
    fulfil(app, card, member, "second")
    assert (card_row(app, card)["gate_passed"], card_row(app, card)["gate_total"]) == (4, 4)
    moved(app, card, "second", member)
    assert (card_row(app, card)["gate_passed"], card_row(app, card)["gate_total"]) == (0, 2)


def test_a_clock_that_is_set_back_during_a_move_does_not_date_its_gate_after_it(
    app: Flask, member: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1, the books: every move has its gate report, dated before it, whatever a time server does."""
    publish_lab(app, "first: {}\nsecond: {}\n")
    with time_machine.travel(now() - timedelta(hours=1)):
        card = a_card(app, member)
    monkeypatch.setattr(clock, "_setting", tmp_path / "clock")
    keep_report = moving._keep_report

    def keep_report_and_be_set_back(*given: Any, **named: Any) -> int:
        report_id = keep_report(*given, **named)
        (tmp_path / "clock").write_text("-600")
        return report_id

    monkeypatch.setattr(moving, "_keep_report", keep_report_and_be_set_back)
    moved(app, card, "second", member)
    [visit] = rows(app, StageVisit, card_id=card.id, number=2)
    [report] = rows(app, GateReport, card_id=card.id)
    assert report["at"] <= visit["entered_at"]
