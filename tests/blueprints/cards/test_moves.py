"""E5, E7: `POST /cards/<uuid>/moves` for programs, for browsers without a script, and for htmx."""

from __future__ import annotations

import uuid

import pytest
from flask import Flask

from lifecycle.records.cards.models import GateReport, StageVisit
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, card_row, fill, moved, rows, stage_of, visit_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

STAGES = """
first: { leave: [ { field: [colour, price] }, { checklist: bench_clear, severity: warning } ] }
second: { asks: { wish: { required: no } } }
third: {}
"""


@pytest.fixture
def member(app: Flask) -> Person:
    return make_user(app, name="Ada Lovelace")


@pytest.fixture
def card(app: Flask, member: Person) -> KnownCard:
    publish_lab(app, STAGES)
    return a_card(app, member)


@pytest.fixture
def caller(app: Flask, member: Person) -> Caller:
    return Caller(app, member)


def _meet(app: Flask, card: KnownCard, member: Person) -> None:
    fill(app, card, member, colour="red", price="1")


def test_a_program_is_told_200_moved(app: Flask, card: KnownCard, member: Person, caller: Caller) -> None:
    _meet(app, card, member)
    response = caller.post(f"{card.url}/moves", to_stage="second", seen_visit=card.visit)
    assert response.status_code == 200
    assert response.get_json() == {
        "outcome": "moved",
        "card": str(card.id),
        "visit": visit_of(app, card),
        "stage": "second",
    }


def test_a_program_is_told_422_blocked_with_every_check(card: KnownCard, caller: Caller) -> None:
    response = caller.post(f"{card.url}/moves", to_stage="second", seen_visit=card.visit)
    assert response.status_code == 422
    answer = response.get_json()
    assert (answer["outcome"], answer["says"]) == ("blocked", ["Colour is missing.", "Price is missing."])
    assert {check["key"]: check["state"] for check in answer["gate"]["checks"]} == {
        "first.leave.field.colour": "blocked",
        "first.leave.field.price": "blocked",
        "first.leave.checklist.bench_clear": "warning",
    }
    assert answer["gate"]["asks"] == [{"key": "wish", "name": "Wish", "required": False}]


def test_a_program_is_told_409_stale_with_who_and_where(
    app: Flask, card: KnownCard, member: Person, caller: Caller
) -> None:
    _meet(app, card, member)
    moved(app, card, "second", make_user(app, name="Grace Hopper"))
    response = caller.post(f"{card.url}/moves", to_stage="second", seen_visit=card.visit)
    assert response.status_code == 409
    assert response.get_json() == {
        "outcome": "stale",
        "says": ["Grace Hopper moved this card to Second meanwhile. Nothing was changed."],
        "stage": "second",
    }


def test_a_browser_without_a_script_is_led_on_or_shown_the_gate_as_a_page(
    app: Flask, card: KnownCard, member: Person, caller: Caller
) -> None:
    blocked = caller.post(f"{card.url}/moves", "page", to_stage="second", seen_visit=card.visit)
    assert blocked.status_code == 422
    assert "<html" in blocked.text
    assert "Colour is missing." in blocked.text
    _meet(app, card, member)
    done = caller.post(f"{card.url}/moves", "page", to_stage="second", seen_visit=card.visit)
    assert (done.status_code, done.location) == (303, card.url)
    assert "Moved to Second." in caller.get(card.url).text
    stale = caller.post(f"{card.url}/moves", "page", to_stage="second", seen_visit=card.visit)
    assert (stale.status_code, stale.location) == (303, card.url)
    assert "Ada Lovelace moved this card to Second meanwhile" in caller.get(card.url).text


def test_htmx_gets_fragments_for_each_outcome(
    app: Flask, card: KnownCard, member: Person, caller: Caller
) -> None:
    blocked = caller.post(f"{card.url}/moves", "htmx", to_stage="second", seen_visit=card.visit)
    assert blocked.status_code == 422
    assert "<html" not in blocked.text
    assert "Colour is missing." in blocked.text
    _meet(app, card, member)
    done = caller.post(f"{card.url}/moves", "htmx", to_stage="second", seen_visit=card.visit)
    assert done.status_code == 200
    assert "<html" not in done.text
    assert f'data-card="{card.id}"' in done.text
    assert f'data-visit="{visit_of(app, card)}"' in done.text
    stale = caller.post(f"{card.url}/moves", "htmx", to_stage="third", seen_visit=card.visit)
    assert stale.status_code == 409
    assert "Ada Lovelace moved this card to Second meanwhile" in stale.text


def test_e7_answers_and_a_fill_and_move_travel_in_one_post(
    app: Flask, member: Person, caller: Caller
) -> None:
    publish_lab(
        app,
        "first: { leave: [ { field: [colour, ready_on] } ] }\nsecond: { asks: { colour: {}, ready_on: {} } }",
    )
    card = a_card(app, member)
    fields = {"to_stage": "second", "seen_visit": card.visit}
    wrong = caller.post(
        f"{card.url}/moves", "page", **fields, **{"answer-colour": "green", "answer-ready_on": "2026-11-30"}
    )
    assert wrong.status_code == 422
    assert "Colour: choose one of Red, Blue." in wrong.text
    assert "2026-11-30" in wrong.text
    right = {"answer-colour": "red", "answer-ready_on": "2026-11-30"}
    assert caller.post(f"{card.url}/moves", **fields, **right).status_code == 200
    assert card_row(app, card)["fields"] == {"colour": "red", "ready_on": "2026-11-30"}
    assert rows(app, StageVisit)[-1]["answers"] == {"colour": "red", "ready_on": "2026-11-30"}
    assert "30 Nov 2026" in caller.get(card.url).text or "2026-11-30" in caller.get(card.url).text


def test_the_gate_can_be_asked_for_beforehand_and_tells_the_same(card: KnownCard, caller: Caller) -> None:
    for how in ("program", "page", "htmx"):
        response = caller.get(f"{card.url}/gate?to=second", how)
        assert response.status_code == 200
        assert "Colour is missing." in response.text
    assert caller.get(f"{card.url}/gate?to=second", "program").get_json()["open"] is False
    for nowhere in ("", "first", "nowhere", "%00"):
        assert caller.get(f"{card.url}/gate?to={nowhere}", "program").status_code == 422


def test_e5_targets_tell_where_a_card_may_go(
    app: Flask, card: KnownCard, member: Person, caller: Caller
) -> None:
    answer = caller.get(f"{card.url}/targets", "program").get_json()
    assert answer["visit"] == card.visit
    assert {t["stage"]: (t["state"], t["unmet"]) for t in answer["targets"]} == {
        "second": ("blocked", 2),
        "third": ("blocked", 2),
        "done": ("blocked", 2),
        "lost": ("needs_input", 0),
    }
    _meet(app, card, member)
    answer = caller.get(f"{card.url}/targets", "program").get_json()
    assert {t["stage"]: t["state"] for t in answer["targets"]} == {
        "second": "open",
        "third": "open",
        "done": "open",
        "lost": "needs_input",
    }
    for how in ("page", "htmx"):
        assert "Second" in caller.get(f"{card.url}/targets", how).text


def test_a_viewer_may_look_and_not_move(app: Flask, card: KnownCard) -> None:
    viewer = Caller(app, make_user(app, role="viewer"))
    answer = viewer.get(f"{card.url}/targets", "program").get_json()
    assert {target["state"] for target in answer["targets"]} == {"forbidden"}
    response = viewer.post(f"{card.url}/moves", to_stage="second", seen_visit=card.visit)
    assert response.status_code == 403
    assert "members, managers and administrators" in response.get_json()["error"]
    assert rows(app, GateReport) == []


def test_e2_a_manager_confirms_a_backward_move_with_a_reason(
    app: Flask, card: KnownCard, member: Person
) -> None:
    _meet(app, card, member)
    moved(app, card, "third", member)
    manager = Caller(app, make_user(app, role="manager"))
    fields = {"to_stage": "first", "seen_visit": visit_of(app, card), "override": "1"}
    assert manager.post(f"{card.url}/moves", **fields).status_code == 422
    assert manager.post(f"{card.url}/moves", **fields, reason="They asked.").status_code == 200
    assert rows(app, StageVisit)[-1]["entered_reason"] == "They asked."


def test_e23_undo_answers_every_way(app: Flask, card: KnownCard, member: Person, caller: Caller) -> None:
    _meet(app, card, member)
    for how, status in (("htmx", 200), ("page", 303)):
        moved(app, card, "second", member)
        response = caller.post(f"{card.url}/undos", how, visit=visit_of(app, card))
        assert response.status_code == status
        assert stage_of(app, card) == "first"
    assert caller.post(f"{card.url}/undos", visit=visit_of(app, card)).status_code == 422
    assert caller.post(f"{card.url}/undos", visit=card.visit).status_code == 409
    for odd in ("", "-1", "x", "9" * 30, "\uff11"):
        assert caller.post(f"{card.url}/undos", visit=odd).status_code == 422


def test_a_card_that_is_not_there_is_404_everywhere(app: Flask, caller: Caller) -> None:
    nobody = f"/cards/{uuid.uuid4()}"
    for path in ("", "/gate?to=second", "/targets"):
        for how in ("program", "page", "htmx"):
            assert caller.get(nobody + path, how).status_code == 404
    assert caller.post(f"{nobody}/moves", to_stage="second", seen_visit=1).status_code == 404
    assert caller.post(f"{nobody}/undos", visit=1).status_code == 404


def test_nobody_moves_a_card_signed_out_or_without_a_token(
    app: Flask, card: KnownCard, member: Person
) -> None:
    _meet(app, card, member)
    fields = {"to_stage": "second", "seen_visit": card.visit}
    stranger = app.test_client()
    assert stranger.post(f"{card.url}/moves", data=fields).status_code in (400, 401)
    caller = Caller(app, member)
    caller.token = "made up"
    assert caller.post(f"{card.url}/moves", **fields).status_code == 400
    assert caller.client.post(f"{card.url}/moves", data=fields).status_code == 400
    assert stage_of(app, card) == "first"
