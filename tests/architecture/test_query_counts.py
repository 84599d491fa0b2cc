"""P5: how many statements each page costs, with 5 cards and with 200. Changed only on purpose."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from lifecycle.core.db import transaction
from lifecycle.governance.moves.create import create_card
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, make_account
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.factories.statements import statements

STAGES = """
first:
  sla: 2 business days
  tasks: { weigh: Weigh it }
  leave:
    - field: [colour, price]
    - checklist: bench_clear
    - evidence: photo
    - meeting: review
    - approval: { by: manager, of: [price] }
second: {}
"""
COUNTS = {
    "boards list": 4,
    "board": 8,
    "board, narrowed": 8,
    "lanes": 9,
    "lanes, narrowed": 9,
    "at a past moment": 5,
    "column page": 3,
    "list": 7,
    "list, narrowed": 7,
    "changes, nothing new": 0,
    "card page": 22,
    "gate": 18,
    "targets": 7,
    "move, blocked": 8,
    "move": 11,
}


def _cards(app: Flask, owner: Person, number: int) -> list[KnownCard]:
    accounts = [make_account(app, owner=owner) for _ in range(3)]
    made = []
    with app.app_context(), transaction():
        for each in range(number):
            account = accounts[each % 3]
            card = create_card(
                LAB, actor=owner.actor, channel="page", account_id=account, title=f"Card {each}"
            )
            made.append(KnownCard(card.id, card.visit_id, account, card.title))
    return made


def _pages(caller: Caller, card: KnownCard, cursor: str) -> dict[str, Callable[[], TestResponse]]:
    move = {"seen_visit": card.visit}
    after = f"after=0.{uuid.UUID(int=0)}"
    return {
        "boards list": lambda: caller.get("/boards"),
        "board": lambda: caller.get(f"/boards/{LAB}"),
        "board, narrowed": lambda: caller.get(f"/boards/{LAB}?q=card&owner=me"),
        "list": lambda: caller.get(f"/boards/{LAB}/list"),
        "list, narrowed": lambda: caller.get(f"/boards/{LAB}/list?q=card&owner=me&stage=first&sort=account"),
        "lanes": lambda: caller.get(f"/boards/{LAB}/lanes?by=account"),
        "lanes, narrowed": lambda: caller.get(f"/boards/{LAB}/lanes?q=card&owner=me"),
        "at a past moment": lambda: caller.get(f"/boards/{LAB}/past"),
        "column page": lambda: caller.get(f"/boards/{LAB}/columns/first?{after}", "htmx"),
        "changes, nothing new": lambda: caller.get(f"/boards/{LAB}/changes", "htmx", X_Board_Cursor=cursor),
        "card page": lambda: caller.get(card.url),
        "gate": lambda: caller.get(f"{card.url}/gate?to=second", "htmx"),
        "targets": lambda: caller.get(f"{card.url}/targets", "program"),
        "move, blocked": lambda: caller.post(f"{card.url}/moves", to_stage="second", **move),
        "move": lambda: caller.post(f"{card.url}/moves", to_stage="lost", **move, **{"answer-why": "x"}),
    }


def _opened(caller: Caller) -> str:
    return caller.get(f"/boards/{LAB}").text.partition('data-cursor="')[2].partition('"')[0]


def _quiet_cursor(caller: Caller) -> str:
    """A cursor that has seen everything: the reader of changes looks twice a second, so it is asked again."""
    cursor = _opened(caller)
    quiet = 0
    for _ in range(40):
        time.sleep(0.4)
        response = caller.get(f"/boards/{LAB}/changes", "htmx", X_Board_Cursor=cursor)
        # Of very many changes the board is opened anew.
        cursor = response.headers.get("X-Board-Cursor") or _opened(caller)
        quiet = quiet + 1 if response.status_code == 204 else 0
        if quiet == 4:
            return cursor
    raise AssertionError("the board does not come to rest")


@pytest.mark.parametrize("number", [5, 200])
def test_p5_a_page_costs_the_same_number_of_statements_however_many_cards_there_are(
    app: Flask, number: int
) -> None:
    publish_lab(app, STAGES)
    member = make_user(app)
    cards = _cards(app, member, number)
    caller = Caller(app, member)
    caller.get(cards[0].url)
    counts = {}
    for name, ask in _pages(caller, cards[0], _quiet_cursor(caller)).items():
        with statements(app) as sent:
            response = ask()
        assert response.status_code == {"move, blocked": 422, "changes, nothing new": 204}.get(name, 200), (
            name
        )
        counts[name] = len(sent)
    assert counts == COUNTS
