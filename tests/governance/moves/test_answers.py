"""E7: what a move asks is answered, kept with the visit, and in a field where the question says so."""

from __future__ import annotations

import pytest
from flask import Flask

from lifecycle.governance.moves.outcome import Blocked
from lifecycle.records.cards.models import StageVisit
from tests.factories.cards import (
    KnownCard,
    a_card,
    ask,
    card_row,
    decide,
    fill,
    make_account,
    move,
    moved,
    rows,
)
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

STAGES = """
first: { leave: [ { field: [colour, price] } ] }
second:
  asks:
    colour: {}
    amount: { saves: price }
    note: { type: long_text, required: no }
  leave: [ { field: code } ]
"""


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app)


@pytest.fixture
def card(app: Flask, member: Person) -> KnownCard:
    publish_lab(app, STAGES)
    return a_card(app, member)


def test_e7_every_question_without_an_answer_is_told_beside_every_unmet_check(
    app: Flask, card: KnownCard, member: Person
) -> None:
    outcome = move(app, card, "second", member)
    assert isinstance(outcome, Blocked)
    assert outcome.errors == {"colour": "Colour must be answered.", "amount": "Price must be answered."}
    assert outcome.sentences[2:] == ["Colour is missing.", "Price is missing."]


def test_e7_an_answer_that_saves_a_field_meets_the_check_for_it_in_the_same_step(
    app: Flask, card: KnownCard, member: Person
) -> None:
    moved(app, card, "second", member, answers={"colour": "Red", "amount": "12.50"})
    assert card_row(app, card)["fields"] == {"colour": "red", "price": "12.50"}
    visit = rows(app, StageVisit, card_id=card.id)[-1]
    assert visit["answers"] == {"colour": "red", "amount": "12.50"}


def test_e7_a_wrong_answer_is_refused_with_its_own_sentence_and_saves_nothing(
    app: Flask, card: KnownCard, member: Person
) -> None:
    outcome = move(app, card, "second", member, answers={"colour": "green", "amount": "1,50"})
    assert isinstance(outcome, Blocked)
    assert outcome.errors == {
        "colour": "Colour: choose one of Red, Blue.",
        "amount": "Price must be a number, written like 1234.50.",
    }
    assert outcome.answers == {"colour": "green", "amount": "1,50"}
    assert card_row(app, card)["fields"] == {}


def test_e7_answers_to_questions_that_are_not_asked_are_ignored(
    app: Flask, card: KnownCard, member: Person
) -> None:
    answers = {"colour": "red", "amount": "1", "code": "ABC", "stage": "done", "title": "x"}
    moved(app, card, "second", member, answers=answers)
    assert set(card_row(app, card)["fields"]) == {"colour", "price"}


def test_e7_a_blocked_move_with_good_answers_saves_none_of_them(app: Flask, member: Person) -> None:
    publish_lab(app, "first: { leave: [ { field: pieces } ] }\nsecond: { asks: { colour: {} } }")
    card = a_card(app, member)
    assert isinstance(move(app, card, "second", member, answers={"colour": "red"}), Blocked)
    assert card_row(app, card)["fields"] == {}


def test_e7_an_answer_saved_to_a_field_of_the_account_is_written_there(app: Flask, member: Person) -> None:
    publish_lab(app, "first: {}\nsecond: { asks: { district: {}, country: {} } }")
    account = make_account(app, owner=member)
    card = a_card(app, member, account=account)
    moved(app, card, "second", member, answers={"district": "North", "country": "GB"})
    other = a_card(app, member, account=account)
    outcome = move(app, other, "second", member)
    assert isinstance(outcome, Blocked)
    assert card_row(app, card)["fields"] == {}


def test_e7_an_approval_is_void_when_an_answer_would_change_what_was_approved(
    app: Flask, member: Person
) -> None:
    publish_lab(
        app,
        "first: { leave: [ { approval: { by: manager, of: [price] } } ] }\nsecond: { asks: { price: {} } }",
    )
    manager = make_user(app, role="manager")
    card = a_card(app, member)
    fill(app, card, member, price="10")
    decide(app, card, manager, ask(app, card, member, "first.leave.approval.manager"))
    outcome = move(app, card, "second", member, answers={"price": "9"})
    assert isinstance(outcome, Blocked)
    assert outcome.sentences == ["Price changed after it was put to manager; ask again."]
    moved(app, card, "second", member, answers={"price": "10"})
