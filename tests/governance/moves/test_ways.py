"""E2: backward, revision, lost and reopen: who may, what is asked, and which checks still stand."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from lifecycle.core.errors import Invalid
from lifecycle.governance.moves.outcome import Blocked, Moved
from lifecycle.records.cards.models import StageVisit
from lifecycle.records.evidence.models import Event
from tests.factories.cards import KnownCard, a_card, card_row, fill, gate, move, moved, rows, stage_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab

STAGES = """
first: { enter: [ { field: wish } ], leave: [ { field: pieces } ] }
second: { enter: [ { field: colour } ], leave: [ { field: price } ], new_cards: yes }
third: { leave: [ { field: code } ], new_cards: yes, tasks: { weigh: Weigh it } }
"""
MOVES = "- { from: third, to: second, kind: revision, asks: { why_back: { type: text } } }"


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app)


@pytest.fixture
def manager(app: Flask) -> Person:
    return make_user(app, role="manager", name="Mary Jackson")


@pytest.fixture
def card(app: Flask, member: Person) -> KnownCard:
    """A card in Third, which meets nothing."""
    publish_lab(app, STAGES, MOVES)
    return a_card(app, member, stage="third")


def _last_visit(app: Flask, card: KnownCard) -> dict[str, Any]:
    return rows(app, StageVisit, card_id=card.id)[-1]


def test_e2_backward_is_refused_to_a_member_even_with_override_and_reason(
    app: Flask, card: KnownCard, member: Person
) -> None:
    outcome = move(app, card, "first", member, override=True, reason="They asked for it.")
    assert isinstance(outcome, Blocked)
    assert (
        outcome.sentences[0] == "First lies behind Third; only a manager may move a card back, with a reason."
    )
    assert stage_of(app, card) == "third"


def test_e2_backward_needs_the_override_to_be_said_and_a_reason(
    app: Flask, card: KnownCard, manager: Person
) -> None:
    fill(app, card, manager, wish="Rye")
    without = move(app, card, "first", manager, reason="They asked for it.")
    assert isinstance(without, Blocked)
    assert without.sentences == ["First lies behind Third; confirm the override and give a reason."]
    for nothing in ("", "   ", "\u202e", "\x00"):
        silent = move(app, card, "first", manager, override=True, reason=nothing)
        assert isinstance(silent, Blocked)
        assert silent.errors == {"reason": "Give a reason for moving the card back."}
    endless = move(app, card, "first", manager, override=True, reason="x" * 2001)
    assert isinstance(endless, Blocked)
    assert "2,000 characters" in endless.errors["reason"]


def test_e2_a_manager_goes_backward_with_a_reason_that_is_recorded(
    app: Flask, card: KnownCard, manager: Person
) -> None:
    fill(app, card, manager, wish="Rye")
    moved(app, card, "first", manager, override=True, reason="They asked for it.")
    visit = _last_visit(app, card)
    assert (visit["entered_by_edge"], visit["entered_reason"]) == ("backward", "They asked for it.")
    event = next(e for e in rows(app, Event, card_id=card.id) if e["kind"] == "card.stage.entered")
    assert event["body"]["reason"] == "They asked for it."
    assert event["body"]["actor"]["name"] == "Mary Jackson"
    assert event["body"]["data"]["edge"] == "backward"


def test_e2_backward_leaves_without_leave_checks_but_runs_enter_checks(
    app: Flask, card: KnownCard, manager: Person
) -> None:
    outcome = move(app, card, "first", manager, override=True, reason="Because.")
    assert isinstance(outcome, Blocked)
    assert outcome.sentences == ["Wish is missing."]


def test_e2_a_revision_is_open_to_members_and_asks_only_the_enter_checks(
    app: Flask, card: KnownCard, member: Person
) -> None:
    answers = {"why_back": "Another size."}
    outcome = move(app, card, "second", member, answers=answers)
    assert isinstance(outcome, Blocked)
    assert outcome.sentences == ["Colour is missing."]
    fill(app, card, member, colour="red")
    moved(app, card, "second", member, answers=answers)
    visit = _last_visit(app, card)
    assert (visit["entered_by_edge"], visit["answers"]) == ("revision", answers)


def test_e2_losing_a_card_skips_the_leave_checks_and_winning_does_not(
    app: Flask, card: KnownCard, member: Person
) -> None:
    assert [result.key for result in gate(app, card, "done").results] == ["third.leave.field.code"]
    assert isinstance(move(app, card, "done", member), Blocked)
    assert gate(app, card, "lost").results == ()
    assert isinstance(move(app, card, "lost", member, answers={"why": "Too dear"}), Moved)


def test_e26_a_closed_card_has_no_clock_no_next_action_and_no_open_stage_tasks(
    app: Flask, card: KnownCard, member: Person
) -> None:
    moved(app, card, "lost", member, answers={"why": "Too dear"})
    row = card_row(app, card)
    assert row["next_action"] is row["next_action_due_at"] is row["sla_due_at"] is None
    assert row["board_order"] < 0


def test_e2_reopening_is_for_managers_with_an_answer(
    app: Flask, card: KnownCard, member: Person, manager: Person
) -> None:
    fill(app, card, member, wish="Rye")
    moved(app, card, "lost", member, answers={"why": "Too dear"})
    refused = move(app, card, "first", member, answers={"because": "They called."})
    assert isinstance(refused, Blocked)
    assert refused.sentences == ["Only manager may move a card from Lost to First."]
    silent = move(app, card, "first", manager)
    assert isinstance(silent, Blocked)
    assert silent.sentences == ["Because must be answered."]
    moved(app, card, "first", manager, answers={"because": "They called."})
    assert _last_visit(app, card)["entered_by_edge"] == "reopen"


def test_e2_no_way_leads_from_one_closed_stage_to_the_other_not_even_the_override(
    app: Flask, card: KnownCard, member: Person, manager: Person
) -> None:
    moved(app, card, "lost", member, answers={"why": "Too dear"})
    for person in (member, manager):
        outcome = move(app, card, "done", person, override=True, reason="It was won after all.")
        assert isinstance(outcome, Blocked)
        assert "only by the ways that its playbook declares" in " ".join(outcome.sentences)


def test_e26_a_closed_card_is_read_only_until_it_is_reopened(
    app: Flask, card: KnownCard, member: Person, manager: Person
) -> None:
    fill(app, card, member, wish="Rye")
    moved(app, card, "lost", member, answers={"why": "Too dear"})
    with pytest.raises(Invalid, match=r"closed \(Lost\)\. Reopen it first"):
        fill(app, card, manager, wish="Wheat")
    moved(app, card, "first", manager, answers={"because": "They called."})
    fill(app, card, member, wish="Wheat")


def test_e26_a_retired_stage_keeps_its_cards_and_they_go_on_by_their_own_revision(
    app: Flask, member: Person, client
) -> None:
    publish_lab(app, "first: {}\nsecond: {}\nthird: {}")
    card = a_card(app, member, slug=LAB)
    moved(app, card, "second", member)
    publish_lab(app, "first: {}\nthird: {}")
    assert stage_of(app, card) == "second"
    newer = a_card(app, member)
    with pytest.raises(Invalid, match="no such stage"):
        move(app, newer, "second", member)
    moved(app, card, "third", member)
    assert stage_of(app, card) == "third"


def test_e26_a_new_stage_is_no_goal_for_cards_of_the_older_revision(app: Flask, member: Person) -> None:
    publish_lab(app, "first: {}\nsecond: {}")
    card = a_card(app, member)
    publish_lab(app, "first: {}\nmiddle: {}\nsecond: {}")
    with pytest.raises(Invalid, match="no such stage"):
        move(app, card, "middle", member)
    moved(app, card, "second", member)
