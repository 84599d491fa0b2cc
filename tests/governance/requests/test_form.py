"""E19: how a form stands with the answers so far: what is asked, missing and wrong, and how it scores."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.requests.form import FormState, first_answers, read_form
from tests.factories.cards import KnownCard, a_card, fill, make_account
from tests.factories.forms import publish_form
from tests.factories.people import Person, make_user

WHOLE = {
    "company": "Nordwind",
    "office": {"street": "Am Kai 1", "town": "Emden", "country": "Germany"},
    "price": "99.50",
    "kinds": ["fibre"],
    "plans": [{"name": "Home", "price": "20"}, {"name": "Work", "price": "1,050.00", "kind": "fibre"}],
}
TOWERS = {**WHOLE, "kinds": ["wireless"], "masts": "12"}


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_form(app)
    return make_user(app, name="Ana", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    return a_card(app, ana, account=make_account(app, owner=ana, name="Nordwind Funk"))


def state(app: Flask, card: KnownCard, answers: dict[str, Any]) -> FormState:
    with app.app_context():
        subject = get_subject(card.id)
        return read_form(subject.playbook.client_requests["survey"], subject, answers)


def test_an_empty_form_says_what_is_missing_and_hides_what_does_not_concern(
    app: Flask, card: KnownCard
) -> None:
    found = state(app, card, {})
    assert [page.page.key for page in found.asked_pages] == ["you", "trade"]
    assert [(page.number, page.missing, page.state) for page in found.asked_pages] == [
        (1, 3, "new"),
        (2, 2, "new"),
    ]
    assert found.share == 0.0
    with app.app_context():
        errors = found.read(get_subject(card.id).playbook).errors
    assert list(errors) == ["company", "office", "price", "kinds", "plans"]
    assert errors["office"] == "Office must be answered."


def test_a_whole_form_is_read_as_it_is_kept(app: Flask, card: KnownCard) -> None:
    found = state(app, card, WHOLE)
    assert found.missing == 0
    assert found.share == 1.0
    with app.app_context():
        read = found.read(get_subject(card.id).playbook)
    assert read.errors == {}
    assert read.values["plans"] == [
        {"name": "Home", "price": "20.00"},
        {"name": "Work", "price": "1050.00", "kind": "fibre"},
    ]
    assert read.fields == {"price": "99.50"}


def test_conditions_follow_each_other_and_forget_what_is_hidden(app: Flask, card: KnownCard) -> None:
    found = state(app, card, {**TOWERS, "shared": "no", "owner": "The county"})
    assert [page.page.key for page in found.asked_pages] == ["you", "trade", "wireless"]
    assert not found.questions["owner"].is_asked
    found = state(app, card, {**TOWERS, "shared": "yes"})
    assert found.questions["owner"].is_missing, "more than five masts: it must be said whose they are"
    assert not state(app, card, {**TOWERS, "masts": "5", "shared": "yes"}).questions["owner"].is_missing
    # The towers are hidden again: what was typed is kept, counts for nothing, and is not submitted.
    found = state(app, card, {**TOWERS, "kinds": ["fibre"], "masts": "12"})
    assert [page.page.key for page in found.asked_pages] == ["you", "trade"]
    assert found.questions["masts"].typed == "12"
    with app.app_context():
        subject = get_subject(card.id)
        assert "masts" not in found.read(subject.playbook).values
        assert found.scores(subject.playbook.client_requests["survey"].scores)[0].points == 1


@pytest.mark.parametrize(
    ("key", "typed", "where", "sentence"),
    [
        ("masts", "0", "masts", "Masts must be at least 1."),
        ("masts", "many", "masts", "must be a number"),
        ("office", {"street": "Am Kai 1"}, "office-town", "Office: Town is missing."),
        (
            "plans",
            [{"name": "Home", "price": "dear"}],
            "plans-0-price",
            "Plans, row 1: Price must be a number",
        ),
        ("plans", [{"price": "3"}], "plans-0-name", "Plans, row 1: Name is missing."),
        (
            "plans",
            [{"name": str(n), "price": "1"} for n in range(4)],
            "plans",
            "Plans takes 3 rows; this has 4.",
        ),
        ("plans", "text", "plans", "Plans must be answered."),
        ("company", "x" * 501, "company", "500 characters"),
        ("kinds", ["satellite"], "kinds", "choose one of Fibre, Wireless"),
    ],
)
def test_what_cannot_be_is_said_where_it_is(
    app: Flask, card: KnownCard, key: str, typed: Any, where: str, sentence: str
) -> None:
    found = state(app, card, {**TOWERS, key: typed})
    with app.app_context():
        errors = found.read(get_subject(card.id).playbook).errors
    assert sentence in errors[where]
    assert found.missing == 1
    assert found.questions[key].typed == typed


def test_an_answer_that_is_not_valid_is_kept_and_stops_the_form(app: Flask, card: KnownCard) -> None:
    found = state(app, card, {**TOWERS, "permitted": "no"})
    assert found.questions["permitted"].value is False
    assert found.questions["hindrance"].is_asked, "what is asked next may depend on it"
    assert (found.missing, found.share < 1) == (1, True)
    with app.app_context():
        playbook = get_subject(card.id).playbook
        assert found.read(playbook).errors == {"permitted": "We need the permit."}
        assert state(app, card, {**TOWERS, "permitted": "yes"}).read(playbook).errors == {}
        assert state(app, card, TOWERS).read(playbook).errors == {}, "unanswered is not invalid"


def test_scores_give_their_reasons_and_level(app: Flask, card: KnownCard) -> None:
    found = state(app, card, TOWERS)
    with app.app_context():
        (score,) = found.scores(get_subject(card.id).playbook.client_requests["survey"].scores)
    assert (score.points, score.level) == (4, "high")
    assert score.reasons == ["More than ten masts.", "Several plans."]


def test_nobody_types_again_what_is_known(app: Flask, ana: Person, card: KnownCard) -> None:
    fill(app, card, ana, price="12")
    with app.app_context():
        subject = get_subject(card.id)
        known = first_answers(subject.playbook.client_requests["survey"], subject, None)
    assert known == {"company": "Nordwind Funk", "price": "12.00"}
