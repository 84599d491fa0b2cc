"""E3: all checks run; warnings and waivers count as they should; a gate costs constantly many queries."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid, NotFound, NotPermitted
from lifecycle.governance.cards.subjects import get_subject, subjects_of
from lifecycle.governance.cards.summary import forward_question, refresh_summaries
from lifecycle.governance.cards.waivers import waive_check
from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.gates.evaluate import evaluate
from lifecycle.governance.moves.outcome import Blocked, Moved
from lifecycle.governance.moves.targets import list_targets
from lifecycle.records.cards.models import Card, StageVisit, Waiver
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import SYSTEM
from tests.factories.cards import (
    KnownCard,
    a_card,
    attach,
    card_row,
    change,
    fill,
    fulfil,
    gate,
    make_account,
    move,
    moved,
    rows,
    talk,
    visit_of,
)
from tests.factories.people import Person, make_department, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.statements import statements

ALL_TYPES = """
first:
  tasks: { weigh: Weigh it }
  enter: [ { field: wish } ]
  leave:
    - field: [colour, price]
    - checklist: bench_clear
    - task: weigh
    - evidence: photo
    - meeting: review
    - time: { at_least: 1 day }
      waive: manager
    - approval: { by: manager, of: [price] }
    - expression: { name: fair, holds: card.price > 1, says: Too cheap. }
    - expression: { name: called, holds: evidence.call.count > 0, says: Call them. }
      when: evidence.call.count == 0
second: {}
"""


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app)


def test_e4_eleven_check_types_are_registered() -> None:
    assert set(check_types()) == {
        "field",
        "task",
        "checklist",
        "approval",
        "meeting",
        "evidence",
        "time",
        "expression",
        "client",
        "questionnaire",
        "handoff",
    }


def test_e3_one_card_and_fifty_cost_the_same_number_of_statements(app: Flask, member: Person) -> None:
    publish_lab(app, ALL_TYPES)
    account = make_account(app, owner=member)
    cards = [a_card(app, member, account=account) for _ in range(50)]
    counts = []
    for some in (cards[:1], cards):
        with app.app_context():
            found = subjects_of([card.id for card in some])
            questions = [question for question in map(forward_question, found) if question]
            with statements(app) as sent:
                reports = evaluate(questions)
        assert len(reports) == len(some)
        assert {len(report.results) for report in reports} == {10}
        counts.append(len(sent))
    # Evidence for conditions, one for each of five types that load, evidence for expressions, waivers.
    assert counts == [8, 8]


def test_e3_all_targets_of_a_card_cost_as_much_as_one(app: Flask, member: Person) -> None:
    publish_lab(app, ALL_TYPES + "\n".join(f"more_{number}: {{}}" for number in range(12)))
    card = a_card(app, member)
    with app.app_context():
        subject = get_subject(card.id)
        with statements(app) as sent:
            targets = list_targets(subject, member.actor)
    assert len(targets) == 15
    assert len(sent) == 9  # One of them is for the limits of all stages (E26).


def test_the_stored_summaries_of_many_cards_are_mended_in_a_constant_number_of_statements(
    app: Flask, member: Person
) -> None:
    publish_lab(app, ALL_TYPES)
    cards = [a_card(app, member) for _ in range(20)]
    ids = [card.id for card in cards]
    counts = []
    for some in (ids[:2], ids):
        with app.app_context(), transaction():
            db.session.execute(sa.update(Card).values(gate_passed=9))
        with app.app_context(), transaction(), statements(app) as sent:
            assert refresh_summaries(some) == len(some)
        counts.append(len(sent))
    assert counts[0] == counts[1]
    assert {card_row(app, card)["gate_passed"] for card in cards} == {0}


# --- severity and conditions ---


def test_e3_a_warning_is_told_and_lets_the_card_pass(app: Flask, member: Person) -> None:
    publish_lab(app, "first: { leave: [ { field: price, severity: warning } ] }\nsecond: {}")
    card = a_card(app, member)
    (result,) = gate(app, card, "second").results
    assert (result.state, result.sentence, result.waivable_by) == ("warning", "Price is missing.", None)
    moved(app, card, "second", member)


def test_e3_a_check_with_a_condition_stands_only_while_it_holds(app: Flask, member: Person) -> None:
    publish_lab(
        app,
        "first: { leave: [ { field: price, when: card.colour == 'red' },"
        " { field: pieces, when: evidence.call.outcome == 'replied' } ] }\nsecond: {}",
    )
    card = a_card(app, member)
    assert gate(app, card, "second").results == ()
    fill(app, card, member, colour="red")
    assert [result.key for result in gate(app, card, "second").results] == ["first.leave.field.price"]
    talk(app, card, member, "call", "replied")
    assert len(gate(app, card, "second").results) == 2


def test_e3_a_condition_that_cannot_be_told_keeps_its_check(app: Flask, member: Person) -> None:
    publish_lab(app, "first: { leave: [ { field: wish, when: card.price > 10 } ] }\nsecond: {}")
    card = a_card(app, member)
    assert [result.state for result in gate(app, card, "second").results] == ["blocked"]
    fill(app, card, member, price="9")
    assert gate(app, card, "second").results == ()


# --- waivers ---

WAIVABLE = """
first:
  leave:
    - { field: price, waive: manager }
    - { field: wish, waive: nobody }
    - field: pieces
second: {}
"""


@pytest.fixture
def boss(app: Flask) -> Person:
    return make_user(app, role="manager")


def _waive(app: Flask, card: KnownCard, by: Person, key: str, reason: str = "They are in a hurry.") -> None:
    change(app, card, by, lambda subject, actor: waive_check(subject, actor, "second", key, reason))


def test_a_waived_check_passes_for_this_visit_and_is_evidence(
    app: Flask, member: Person, boss: Person
) -> None:
    publish_lab(app, WAIVABLE, "- { from: second, to: first, kind: revision }")
    card = a_card(app, member)
    fill(app, card, member, wish="Rye", pieces="3")
    (before, *_) = gate(app, card, "second").results
    assert (before.state, before.waivable_by) == ("blocked", "manager")
    _waive(app, card, boss, "first.leave.field.price")
    _waive(app, card, boss, "first.leave.field.price", "Again.")
    (result, *_) = gate(app, card, "second").results
    assert (result.state, result.sentence) == ("waived", "Price is missing. Waived: They are in a hurry.")
    assert len(rows(app, Waiver)) == 1
    (event,) = [event for event in rows(app, Event) if event["kind"] == "card.check.waived"]
    assert event["body"]["reason"] == "They are in a hurry."
    moved(app, card, "second", member)
    moved(app, card, "first", member)
    assert gate(app, card, "second").results[0].state == "blocked"


def test_only_whoever_the_playbook_names_may_waive_with_a_reason(
    app: Flask, member: Person, boss: Person
) -> None:
    publish_lab(app, WAIVABLE)
    card = a_card(app, member)
    with pytest.raises(NotPermitted, match="Only manager may waive"):
        _waive(app, card, member, "first.leave.field.price")
    for nothing in ("", " ", "\u202e"):
        with pytest.raises(Invalid, match="Say why"):
            _waive(app, card, boss, "first.leave.field.price", nothing)
    for key in ("first.leave.field.wish", "first.leave.field.pieces"):
        with pytest.raises(NotPermitted, match="Nobody may waive"):
            _waive(app, card, make_user(app, role="admin"), key)
    with pytest.raises(NotFound):
        _waive(app, card, boss, "no.such.check")
    assert rows(app, Waiver) == []


def test_a_waiver_for_what_nobody_may_waive_opens_nothing(app: Flask, member: Person) -> None:
    """Even when its row exists: the playbook is asked again each time."""
    publish_lab(app, WAIVABLE)
    card = a_card(app, member)
    fill(app, card, member, price="1", pieces="1")
    with app.app_context(), transaction():
        db.session.add(
            Waiver(card_id=card.id, visit_id=card.visit, check_key="first.leave.field.wish", reason="Sneaky")
        )
    outcome = move(app, card, "second", member)
    assert isinstance(outcome, Blocked)
    assert outcome.sentences == ["Wish is missing."]


def test_a_department_manager_waives_for_their_department_only(app: Flask, member: Person) -> None:
    make_department(app, "bench")
    publish_lab(app, "first: { leave: [ { field: price, waive: bench_manager } ] }\nsecond: {}")
    card = a_card(app, member)
    for other in (make_user(app, role="manager"), make_user(app, departments=("bench",))):
        with pytest.raises(NotPermitted, match="Only Bench manager"):
            _waive(app, card, other, "first.leave.field.price")
    _waive(app, card, make_user(app, role="manager", departments=("bench",)), "first.leave.field.price")
    assert isinstance(move(app, card, "second", member), Moved)


def test_a_waiver_cannot_replace_the_stay_of_another_visit(app: Flask, member: Person, boss: Person) -> None:
    publish_lab(app, "first: { leave: [ { time: { at_least: 1 day }, waive: manager } ] }\nsecond: {}")
    card = a_card(app, member)
    _waive(app, card, boss, "first.leave.time.at_least")
    other = a_card(app, member)
    assert isinstance(move(app, card, "second", member), Moved)
    assert isinstance(move(app, other, "second", member), Blocked)


def test_evaluating_writes_nothing(app: Flask, member: Person) -> None:
    publish_lab(app, ALL_TYPES)
    card = a_card(app, member)
    attach(app, card, member, "photo")
    before = card_row(app, card)
    with statements(app) as sent:
        gate(app, card, "second", SYSTEM)
    assert not [sql for sql in sent if not sql.lstrip().lower().startswith("select")]
    assert card_row(app, card) == before


def test_the_gate_of_every_type_can_be_met_and_passed(app: Flask, member: Person, boss: Person) -> None:
    publish_lab(app, ALL_TYPES)
    card = a_card(app, member)
    fill(app, card, member, price="5")
    talk(app, card, member, "call", "no_answer")
    _waive(app, card, boss, "first.leave.time.at_least")
    fulfil(app, card, member, "second", approver=boss)
    moved(app, card, "second", member)
    assert [visit["number"] for visit in rows(app, StageVisit)] == [1, 2]
    assert visit_of(app, card) != card.visit
