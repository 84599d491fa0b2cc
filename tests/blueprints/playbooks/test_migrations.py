"""E1 on the page: cards on older revisions, what would change for them, and taking them over."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.governance.playbooks.library import current_revision_id
from lifecycle.governance.playbooks.publish import publish
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import SYSTEM
from tests.factories.cards import a_card, card_row, fill, rows
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, lab, publish_lab
from tests.visitor import Visitor, logged_in

OLD = "first: { new_cards: yes, leave: [ { field: wish } ] }\nsecond: { new_cards: yes }"
NEW = "first: { new_cards: yes, leave: [ { field: colour } ] }"
PAGE = "/playbooks/lab"
HEADING = "Cards on older revisions: Trials"


@pytest.fixture
def admin(app: Flask, services: Any) -> Person:
    person = make_user(app, role="admin", departments=["bench"])
    publish_lab(app, OLD)
    return person


def _send(visitor: Visitor, app: Flask, **changed: Any) -> Any:
    with app.app_context():
        fields = {"pipeline": LAB, "revision": current_revision_id(LAB), **changed}
    return visitor.send(f"{PAGE}/migrations", page="/profile", **fields)


def test_without_older_cards_nothing_is_said(app, admin):
    a_card(app, admin)
    assert "older revision" not in logged_in(app, admin).open(PAGE).text


def test_everybody_reads_the_plan_and_administrators_find_the_button(app, admin):
    fill(app, a_card(app, admin), admin, wish="Yes")
    left = a_card(app, admin, stage="second", title="Left <b>behind</b>")
    publish_lab(app, NEW)
    viewer = logged_in(app, make_user(app, role="viewer")).open(PAGE).text
    for words in (
        HEADING,
        "2 cards run on an older revision than 2",
        "On revision 1: 2 open, 0 closed",
        "To leave, now also: Colour is filled in",
        "To leave, no longer: Wish is filled in",
        "1 card could go forward now, and no longer afterwards.",
        "1 card cannot go over",
        f'href="/cards/{left.id}"',
        "Left &lt;b&gt;behind&lt;/b&gt;",
        "Revision 2 has no stage Second.",
    ):
        assert words in viewer, words
    assert "Take 1 card over" not in viewer
    assert "Take 1 card over to revision 2" in logged_in(app, admin).open(PAGE).text


def test_looking_changes_nothing(app, admin):
    a_card(app, admin)
    publish_lab(app, NEW)
    visitor = logged_in(app, admin)
    before = rows(app, Card), rows(app, Event)
    assert visitor.open(PAGE).status_code == 200
    assert visitor.open(f"{PAGE}/migrations").status_code == 405
    assert (rows(app, Card), rows(app, Event)) == before


def test_the_button_takes_the_cards_over_and_leads_back(app, admin):
    card = a_card(app, admin)
    a_card(app, admin, stage="second")
    new = publish_lab(app, NEW).revision_id
    visitor = logged_in(app, admin)
    answer = _send(visitor, app)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert card_row(app, card)["revision_id"] == new
    text = visitor.open(PAGE).text
    assert "1 card went over to revision 2. 1 card stays on the revision before." in text
    assert "Take " not in text
    assert [each["actor_id"] for each in rows(app, Event, kind="card.revision.changed")] == [admin.id]


@pytest.mark.parametrize("role", ["manager", "member", "viewer"])
def test_others_are_refused(app, admin, role):
    a_card(app, admin)
    publish_lab(app, NEW)
    before = rows(app, Card)
    assert _send(logged_in(app, make_user(app, role=role)), app).status_code == 403
    assert rows(app, Card) == before


def test_a_page_that_is_no_longer_true_is_a_conflict(app, admin):
    a_card(app, admin)
    seen = publish_lab(app, NEW).revision_id
    publish_lab(app, OLD, title="Third")
    before = rows(app, Card)
    answer = _send(logged_in(app, admin), app, revision=seen)
    assert answer.status_code == 409
    assert "Revision 3 was published since you looked" in answer.text
    assert rows(app, Card) == before


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"pipeline": "lab.nothing"}, 404),
        ({"pipeline": "wispgate.growth"}, 404),
        ({"pipeline": ""}, 404),
        ({"revision": "soon"}, 422),
        ({"revision": "9" * 40}, 409),
    ],
)
def test_nonsense_is_refused_in_a_sentence(app, admin, changed, status):
    a_card(app, admin)
    publish_lab(app, NEW)
    assert _send(logged_in(app, admin), app, **changed).status_code == status
    assert rows(app, Event, kind="card.revision.changed") == []


def test_without_a_token_nothing_happens(app, admin):
    a_card(app, admin)
    publish_lab(app, NEW)
    visitor = logged_in(app, admin)
    answer = visitor.client.post(f"{PAGE}/migrations", data={"pipeline": LAB, "revision": "2"})
    assert answer.status_code == 400
    assert rows(app, Event, kind="card.revision.changed") == []


def test_a_dropped_pipeline_is_still_told_of(app, admin):
    a_card(app, admin)
    texts = lab(OLD)
    texts["others.yaml"] = texts.pop("trials.yaml").replace("pipeline: trials", "pipeline: others")
    with app.app_context(), transaction():
        publish(texts, SYSTEM)
    text = logged_in(app, admin).open(PAGE).text
    assert HEADING in text
    assert "Revision 2 has no Trials any more." in text
    assert "Take " not in text
