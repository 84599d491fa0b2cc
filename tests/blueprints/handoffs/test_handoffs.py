"""E17: the receiving team looks at what is handed over, and accepts or returns it where they stand."""

from __future__ import annotations

import re
import uuid
from html import unescape
from typing import Any

import pytest
from flask import Flask

from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.tasks.models import Task
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, fill, make_account, moved, rows
from tests.factories.consequences import follow_through
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

STAGES = """
first: {}
sold: { on_enter: [ { handoff: { to: kitchen, carries: [price, wish], promises: ready_on } } ] }
"""
KITCHEN = """
pipeline: kitchen
department: office
stages:
  begun: {}
  served: { kind: won, asks: { why: text } }
"""
HERE = "/work/departments/office"


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, STAGES, files={"kitchen.yaml": KITCHEN})
    return make_user(app, name="Ana", departments=["bench"])


@pytest.fixture
def ola(app: Flask, ana: Person) -> Person:
    return make_user(app, name="Ola", departments=["office"])


@pytest.fixture
def handoff(app: Flask, ana: Person, ola: Person) -> dict[str, Any]:
    account = make_account(app, owner=ana, name="Nordwind <Funk>")
    card = a_card(app, ana, account=account, title="Fibre")
    fill(app, card, ana, price="99", wish="Warm", ready_on="2026-12-01")
    moved(app, card, "sold", ana)
    follow_through(app)
    return rows(app, Handoff)[0]


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def state_of(app: Flask, handoff: dict[str, Any]) -> str:
    state: str = rows(app, Handoff, id=handoff["id"])[0]["state"]
    return state


def test_its_page_shows_what_is_handed_over_and_by_whom(
    app: Flask, ola: Person, handoff: dict[str, Any]
) -> None:
    page = Caller(app, ola).get(f"/handoffs/{handoff['id']}")
    told = text(page.text)
    assert page.status_code == 200
    assert "Nordwind <Funk>: handed over from Trials to Office" in told
    assert "Wish Warm" in told
    assert "Promised: Ready on 1 December 2026" in told
    assert "Waits to be accepted" in told
    assert "Accept" in told


@pytest.mark.parametrize("how", ["page", "htmx"])
def test_accepting_leads_back_to_where_it_was_asked(
    app: Flask, ola: Person, handoff: dict[str, Any], how: str
) -> None:
    caller = Caller(app, ola)
    answer = caller.post(f"/handoffs/{handoff['id']}/acceptances", how, next=HERE)
    if how == "page":
        assert (answer.status_code, answer.location) == (303, HERE)
    else:
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, HERE)
    assert state_of(app, handoff) == "accepted"
    assert "Accepted. Whoever handed it over is told." in text(caller.get(HERE).text)
    assert "Accepted" in text(caller.get(f"/handoffs/{handoff['id']}").text)


def test_returning_it_needs_a_reason_which_is_asked_for_beside_the_form(
    app: Flask, ola: Person, handoff: dict[str, Any]
) -> None:
    caller = Caller(app, ola)
    page = caller.post(f"/handoffs/{handoff['id']}/returns", "page", reason="  ", next=HERE)
    assert page.status_code == 422
    assert "Say what is missing." in page.text
    assert f'name="next" value="{HERE}"' in page.text, "the second try leads back to the queue all the same"
    part = caller.post(f"/handoffs/{handoff['id']}/returns", "htmx", reason="", next=HERE)
    assert part.status_code == 422
    assert part.text.lstrip().startswith(f'<div class="handoff-answer" id="handoff-{handoff["id"]}-answer">')
    assert '<details class="handoff-return" open>' in part.text
    assert "Say what is missing." in part.text
    assert state_of(app, handoff) == "offered"


def test_returned_it_says_why_and_whoever_gave_it_has_a_task(
    app: Flask, ola: Person, ana: Person, handoff: dict[str, Any]
) -> None:
    caller = Caller(app, ola)
    answer = caller.post(
        f"/handoffs/{handoff['id']}/returns", "page", reason="The wish is unclear", next=HERE
    )
    assert (answer.status_code, answer.location) == (303, HERE)
    assert state_of(app, handoff) == "returned"
    [task] = rows(app, Task)
    assert (task["title"], task["assignee_id"]) == ("Mend the handoff: The wish is unclear", ana.id)
    page = text(caller.get(f"/handoffs/{handoff['id']}").text)
    assert "Returned" in page
    assert "The wish is unclear" in page
    assert "Return it" not in page


@pytest.mark.parametrize("how", ["page", "htmx"])
def test_who_comes_second_is_told_that_it_is_answered(
    app: Flask, ola: Person, handoff: dict[str, Any], how: str
) -> None:
    caller = Caller(app, ola)
    caller.post(f"/handoffs/{handoff['id']}/acceptances", "page")
    for act, fields in (("acceptances", {}), ("returns", {"reason": "Too late"})):
        answer = caller.post(f"/handoffs/{handoff['id']}/{act}", how, **fields)
        assert answer.status_code == 409
        assert "This handoff was accepted already." in text(answer.text)
    assert state_of(app, handoff) == "accepted"


@pytest.mark.parametrize(
    "aim", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_nobody_is_led_away(app: Flask, ola: Person, handoff: dict[str, Any], aim: str) -> None:
    answer = Caller(app, ola).post(f"/handoffs/{handoff['id']}/acceptances", "page", next=aim)
    assert (answer.status_code, answer.location) == (303, f"/handoffs/{handoff['id']}")


def test_only_the_receiving_department_or_a_manager_may_answer(
    app: Flask, ana: Person, handoff: dict[str, Any]
) -> None:
    viewer = make_user(app, role="viewer", departments=["office"])
    for person in (ana, viewer):
        caller = Caller(app, person)
        page = text(caller.get(f"/handoffs/{handoff['id']}").text)
        assert "Office, or a manager, answers it." in page
        for act in ("acceptances", "returns"):
            answer = caller.post(f"/handoffs/{handoff['id']}/{act}", "page", reason="x")
            assert answer.status_code == 403, (person.role, act)
    assert state_of(app, handoff) == "offered"
    boss = make_user(app, role="manager", departments=["bench"])
    assert Caller(app, boss).post(f"/handoffs/{handoff['id']}/acceptances", "page").status_code == 303


def test_one_that_does_not_exist_or_was_taken_back_is_not_found(app: Flask, ola: Person) -> None:
    caller = Caller(app, ola)
    nowhere = f"/handoffs/{uuid.uuid4()}"
    assert caller.get(nowhere).status_code == 404
    assert caller.post(f"{nowhere}/acceptances", "page").status_code == 404


def test_the_card_page_leads_to_the_same_doors(app: Flask, ola: Person, handoff: dict[str, Any]) -> None:
    card = KnownCard(handoff["to_card_id"], 0, uuid.uuid4(), "Fibre")
    answer = Caller(app, ola).post(f"/handoffs/{handoff['id']}/acceptances", "page", next=card.url)
    assert answer.location == card.url
