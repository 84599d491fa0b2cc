"""E4: each check type in its states, with the sentence that people read and the remedy that mends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.governance.cards import proofs
from lifecycle.governance.gates.report import CheckResult
from lifecycle.records.cards.models import Card
from lifecycle.work.tasks.models import Task
from tests.factories.cards import (
    KnownCard,
    a_card,
    ask,
    attach,
    change,
    complete,
    decide,
    fill,
    gate,
    hold,
    moved,
    plan,
    rows,
    talk,
    tick,
)
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app)


def _card(app: Flask, by: Person, check: str, **more: str) -> KnownCard:
    """A card in First, whose only leave check is `check`."""
    publish_lab(app, f"first: {{ leave: [ {{ {check} }} ] }}\nsecond: {{}}", **more)
    return a_card(app, by)


def _only(app: Flask, card: KnownCard) -> CheckResult:
    (result,) = gate(app, card, "second").results
    return result


def _says(app: Flask, card: KnownCard) -> tuple[str, str]:
    result = _only(app, card)
    return result.state, result.sentence


def _write(app: Flask, card: KnownCard, **fields: Any) -> None:
    """Put stored values into a card past the reading of what people type."""
    with app.app_context(), transaction():
        row = db.session.get_one(Card, card.id)
        row.fields = {**row.fields, **fields}


# --- field ---


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        ("field: pieces", None, "Pieces is missing."),
        ("field: pieces", 0, ""),
        ("field: wish", "", "Wish is missing."),
        ("field: colours", [], "Colours is missing."),
        ("field: colours", ["red"], ""),
        ("field: agreed", False, ""),
        ("field: agreed", None, "Agreed is missing."),
        ("field: { name: price, at_least: 10 }", "9.99", "Price must be at least 10."),
        ("field: { name: price, at_least: 10 }", "10.00", ""),
        ("field: { name: price, at_most: 10 }", "10.01", "Price must be at most 10."),
        ("field: { name: pieces, at_least: 1, at_most: 5 }", 6, "Pieces must be at most 5."),
        ("field: { name: colour, one_of: [red] }", "blue", "Colour must be red."),
        ("field: { name: colour, one_of: [red] }", "red", ""),
        ("field: { name: wish, at_least: 3 }", "abc", "Wish is not a number."),
        ('field: { name: code, matches: "[A-Z]{3}" }', "AB", "Code does not have the required form."),
        ('field: { name: code, matches: "[A-Z]{3}" }', "ABC", ""),
    ],
)
def test_e4_field(app: Flask, member: Person, check: str, value: Any, expected: str) -> None:
    card = _card(app, member, check)
    key = _only(app, card).key.rpartition(".")[2]
    if value is not None:
        _write(app, card, **{key: value})
    result = _only(app, card)
    assert result.remedy is not None
    assert (result.remedy.kind, dict(result.remedy.data)) == ("field", {"field": key})
    if expected:
        assert (result.state, result.sentence) == ("blocked", expected)
    else:
        assert result.state == "passed"
        assert result.sentence.endswith("is filled in.")


def test_e4_an_agreement_that_must_be_yes_is_missing_while_it_is_no(app: Flask, member: Person) -> None:
    card = _card(app, member, 'field: { name: agreed, one_of: ["True"] }')
    fill(app, card, member, agreed="no")
    assert _says(app, card) == ("blocked", "Agreed is missing.")
    fill(app, card, member, agreed="yes")
    assert _only(app, card).state == "passed"


# --- checklist ---


def test_e4_checklist_names_the_items_that_are_open(app: Flask, member: Person) -> None:
    card = _card(app, member, "checklist: bench_clear")
    tick(app, card, member, "bench_clear", "empty", "lit")
    result = _only(app, card)
    assert (result.state, result.sentence) == ("blocked", "Bench clear: 2 of 3 ticked; open: “It is wiped”.")
    assert result.remedy is not None
    assert result.remedy.kind == "checklist"
    assert result.remedy.data == {"checklist": "bench_clear", "items": ["wiped", "empty", "lit"]}
    tick(app, card, member, "bench_clear", "wiped")
    assert _says(app, card) == ("passed", "Bench clear: all 3 items are ticked.")


def test_e4_checklist_of_named_items_asks_for_no_other(app: Flask, member: Person) -> None:
    card = _card(app, member, "checklist: { name: bench_clear, items: [wiped] }")
    tick(app, card, member, "bench_clear", "empty", "lit")
    assert _says(app, card) == ("blocked", "Bench clear: 0 of 1 ticked; open: “It is wiped”.")
    tick(app, card, member, "bench_clear", "wiped")
    assert _only(app, card).state == "passed"


def test_e4_an_item_that_is_unticked_again_blocks_again(app: Flask, member: Person) -> None:
    card = _card(app, member, "checklist: bench_clear")
    every = ("wiped", "empty", "lit")
    tick(app, card, member, "bench_clear", *every)
    change(app, card, member, lambda s, a: proofs.tick_items(s, a, "bench_clear", every, ("wiped", "lit")))
    assert _says(app, card) == ("blocked", "Bench clear: 2 of 3 ticked; open: “It is empty”.")


# --- task ---


def test_e4_task_by_name_and_all_of_them(app: Flask, member: Person) -> None:
    publish_lab(
        app,
        """
first:
  tasks: { weigh: Weigh it, sweep: Sweep the floor }
  leave: [ { task: weigh }, { task: all } ]
second: {}
""",
    )
    card = a_card(app, member)
    tasks = {task["key"]: task["id"] for task in rows(app, Task)}
    named, every = gate(app, card, "second").results
    assert named.sentence == "The task “Weigh it” is not done."
    assert every.sentence == "2 of 2 tasks are open: “Weigh it”, “Sweep the floor”."
    assert named.remedy is not None
    assert (named.remedy.kind, named.remedy.data["tasks"]) == ("task", [str(tasks["weigh"])])
    complete(app, card, member, tasks["weigh"])
    named, every = gate(app, card, "second").results
    assert (named.state, named.sentence) == ("passed", "“Weigh it” is done.")
    assert every.sentence == "1 of 2 tasks are open: “Sweep the floor”."
    complete(app, card, member, tasks["sweep"])
    assert gate(app, card, "second").is_open
    complete(app, card, member, tasks["weigh"], done=False)
    assert [result.state for result in gate(app, card, "second").results] == ["blocked", "blocked"]


def test_e4_all_tasks_are_those_of_this_visit_and_those_that_people_made(app: Flask, member: Person) -> None:
    card = _card(app, member, "task: all")
    assert _says(app, card) == ("passed", "All tasks of this stage are done.")
    task = change(
        app,
        card,
        member,
        lambda s, a: proofs.add_task(s, a, title="Call", assignee_id=member.id, due_at=None),
    )
    assert _says(app, card) == ("blocked", "1 of 1 tasks are open: “Call”.")
    complete(app, card, member, task.id)
    assert _only(app, card).state == "passed"


# --- evidence ---


def test_e4_evidence_that_is_attached_and_withdrawn(app: Flask, member: Person) -> None:
    card = _card(app, member, "evidence: photo")
    result = _only(app, card)
    assert (result.state, result.sentence) == ("blocked", "Photo is not attached.")
    assert result.remedy is not None
    assert (result.remedy.kind, result.remedy.data) == ("evidence", {"evidence": "photo"})
    item = attach(app, card, member, "photo")
    assert _says(app, card) == ("passed", "Photo is on file.")
    change(app, card, member, lambda s, a: proofs.withdraw_proof(s, a, item))
    assert _says(app, card) == ("blocked", "Photo is not attached.")


def test_e4_evidence_of_a_number(app: Flask, member: Person) -> None:
    card = _card(app, member, "evidence: { name: photo, at_least: 2 }")
    attach(app, card, member, "photo")
    attach(app, card, member, None)
    assert _says(app, card) == ("blocked", "Photo is not attached (1 of 2).")
    attach(app, card, member, "photo")
    assert _only(app, card).state == "passed"


def test_e4_evidence_of_a_talk_with_an_outcome(app: Flask, member: Person) -> None:
    card = _card(app, member, "evidence: { name: call, outcome: replied }")
    assert _says(app, card) == ("blocked", "Call is not logged.")
    talk(app, card, member, "call", "no_answer")
    expected = "Call is logged, but without the outcome “They replied”."
    assert _says(app, card) == ("blocked", expected)
    talk(app, card, member, "call", "replied")
    assert _says(app, card) == ("passed", "Call is on file.")


# --- meeting ---


def test_e4_e28_a_meeting_is_planned_held_and_noted(app: Flask, member: Person) -> None:
    card = _card(app, member, "meeting: review")
    result = _only(app, card)
    assert (result.state, result.sentence) == ("blocked", "Bench review has not been planned.")
    assert result.remedy is not None
    assert (result.remedy.kind, result.remedy.data) == ("meeting", {"meeting": "review", "planned": None})
    meeting = plan(app, card, member, "review")
    result = _only(app, card)
    assert result.sentence == "Bench review is planned and not yet marked as held."
    assert result.remedy is not None
    assert result.remedy.data["planned"] == str(meeting)
    hold(app, card, member, meeting, outcomes="Send the offer - 2027-01-15")
    assert _says(app, card) == ("passed", "Bench review was held, with notes.")
    (task,) = rows(app, Task)
    assert (task["title"], task["due_at"].date().isoformat()) == ("Send the offer", "2027-01-15")


# --- time ---


@pytest.mark.parametrize(
    ("bound", "hours", "expected"),
    [
        ("at_least: 2 days", 47, "It must stay here at least 2 days."),
        ("at_least: 2 days", 48, ""),
        # From Friday 15:00 the second business hour ends on Friday 17:00, the third on Monday 10:00.
        ("at_least: 2 business hours", 2, ""),
        ("at_least: 3 business hours", 66, "It must stay here at least 3 business hours."),
        ("at_least: 3 business hours", 67, ""),
        ("at_most: 1 business day", 72, ""),
        ("at_most: 1 business day", 73, "It stayed longer than 1 business day."),
    ],
)
def test_e4_time(app: Flask, member: Person, bound: str, hours: int, expected: str) -> None:
    with time_machine.travel(datetime(2026, 11, 6, 15, 0, tzinfo=UTC), tick=False) as clock:
        card = _card(app, member, f"time: {{ {bound} }}")
        clock.shift(timedelta(hours=hours))
        result = _only(app, card)
    assert (result.state, result.sentence) == (
        ("blocked", expected) if expected else ("passed", "The time in this stage is as required.")
    )


# --- approval ---


@pytest.fixture
def boss(app: Flask) -> Person:
    return make_user(app, role="manager", name="Mary Jackson")


APPROVAL = "approval: { by: manager, of: [price, discount] }"
KEY = "first.leave.approval.manager"


def test_e4_e18_an_approval_is_asked_for_given_and_void_when_its_subject_changes(
    app: Flask, member: Person, boss: Person
) -> None:
    card = _card(app, member, APPROVAL)
    fill(app, card, member, price="100", discount="10")
    result = _only(app, card)
    assert (result.state, result.sentence) == ("blocked", "Price and Discount is not approved; ask manager.")
    assert result.remedy is not None
    assert (result.remedy.kind, result.remedy.data["role"]) == ("approval", "manager")
    request = ask(app, card, member, KEY)
    assert _says(app, card) == ("blocked", "Price and Discount waits for manager to approve.")
    decide(app, card, boss, request)
    assert _says(app, card) == ("passed", "Price and Discount is approved.")
    fill(app, card, member, discount="11")
    changed = "Price and Discount changed after it was put to manager; ask again."
    assert _says(app, card) == ("blocked", changed)
    fill(app, card, member, discount="10.0")
    assert _only(app, card).state == "passed"
    fill(app, card, member, wish="Something that was not approved")
    assert _only(app, card).state == "passed"


def test_e18_who_asks_may_not_approve_and_who_does_not_hold_the_role_neither(
    app: Flask, member: Person, boss: Person
) -> None:
    card = _card(app, member, APPROVAL)
    own = ask(app, card, boss, KEY)
    with pytest.raises(Exception, match="Somebody other than the person who asked"):
        decide(app, card, boss, own)
    with pytest.raises(Exception, match="Only manager may decide"):
        decide(app, card, member, own)
    assert _only(app, card).state == "blocked"


def test_e18_a_rejection_says_why_and_a_new_request_replaces_it(
    app: Flask, member: Person, boss: Person
) -> None:
    card = _card(app, member, APPROVAL)
    request = ask(app, card, member, KEY)
    with pytest.raises(Exception, match="Say why"):
        decide(app, card, boss, request, "rejected")
    decide(app, card, boss, request, "rejected", "Too cheap.")
    assert _says(app, card) == ("blocked", "manager rejected price and Discount: Too cheap.")
    again = ask(app, card, member, KEY)
    with pytest.raises(Exception, match="replaced by a newer one"):
        decide(app, card, boss, request)
    decide(app, card, boss, again)
    assert _only(app, card).state == "passed"


def test_e18_two_of_the_role_must_approve_and_nobody_counts_twice(
    app: Flask, member: Person, boss: Person
) -> None:
    card = _card(app, member, "approval: { by: manager, needed: 2 }")
    request = ask(app, card, member, KEY)
    decide(app, card, boss, request)
    assert _says(app, card) == ("blocked", "The step waits for manager to approve (1 of 2).")
    with pytest.raises(Exception, match="decided this already"):
        decide(app, card, boss, request)
    decide(app, card, make_user(app, role="admin"), request)
    assert _says(app, card) == ("passed", "The step is approved.")


# --- expression ---


def _expression(holds: str, more: str = "") -> str:
    return f'expression: {{ name: fair, holds: "{holds}", says: The price is not fair.{more} }}'


def test_e4_expression_reads_card_account_evidence_and_time(app: Flask, member: Person) -> None:
    card = _card(
        app, member, _expression("card.price >= 10 && evidence.call.outcome == 'replied'", ", fix: [price]")
    )
    fill(app, card, member, price="9.99")
    talk(app, card, member, "call", "replied")
    result = _only(app, card)
    assert (result.state, result.sentence) == ("blocked", "The price is not fair.")
    assert result.remedy is not None
    assert (result.remedy.kind, result.remedy.data) == ("fields", {"fields": ["price"]})
    fill(app, card, member, price="10")
    assert _says(app, card) == ("passed", "Fair: the condition holds.")


def test_e4_an_expression_that_cannot_be_evaluated_blocks_and_is_named(app: Flask, member: Person) -> None:
    card = _card(app, member, _expression("card.price > 10"))
    state, sentence = _says(app, card)
    assert state == "blocked"
    assert sentence.startswith("The price is not fair. (check “fair”: ")


def test_e4_every_check_may_have_a_sentence_of_its_own(app: Flask, member: Person) -> None:
    card = _card(app, member, "field: price, says: Name the price first.")
    assert _says(app, card) == ("blocked", "Name the price first.")
    fill(app, card, member, price="1")
    assert _says(app, card) == ("passed", "Price is filled in.")


def test_a_task_of_an_earlier_stay_does_not_meet_the_gate_of_this_one(app: Flask, member: Person) -> None:
    publish_lab(
        app,
        "first: { tasks: { weigh: Weigh it }, leave: [ { task: weigh } ] }\nsecond: {}",
        "- { from: second, to: first, kind: revision }",
    )
    card = a_card(app, member)
    (task,) = rows(app, Task)
    complete(app, card, member, task["id"])
    moved(app, card, "second", member)
    moved(app, card, "first", member)
    assert _says(app, card) == ("blocked", "The task “Weigh it” is not done.")
