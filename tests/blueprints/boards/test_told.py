"""E24: what everybody with the board open is told is drawn once, and carries nobody else's token."""

from __future__ import annotations

import re
import time

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.blueprints.boards import live
from lifecycle.core.db import db
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, moved
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.factories.statements import statements

CHANGES = f"/boards/{LAB}/changes"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@pytest.fixture
def mover(app: Flask) -> Person:
    publish_lab(app, "first: {}\nsecond: {}")
    return make_user(app, name="Mina Okafor")


@pytest.fixture
def card(app: Flask, mover: Person) -> KnownCard:
    return a_card(app, mover)


def _opened(app: Flask, person: Person) -> tuple[Caller, str]:
    """Somebody who has just opened the board, and their cursor, which has seen all that was done so far."""
    caller = Caller(app, person)
    with app.app_context():
        done = db.session.scalars(sa.text("select extract(epoch from clock_timestamp())::float8")).one()
        db.session.rollback()
    for _ in range(100):
        cursor = caller.get(f"/boards/{LAB}").text.partition('data-cursor="')[2].partition('"')[0]
        # The board is read at once, but what changed is read a few times a second.
        if float(cursor.split("/")[1]) > done + 0.05:
            return caller, cursor
        time.sleep(0.05)
    raise AssertionError("changes are not read")


def _told(caller: Caller, cursor: str, query: str = "") -> str:
    for _ in range(60):
        answer = caller.get(CHANGES + query, "htmx", X_Board_Cursor=cursor)
        if answer.status_code == 200:
            return answer.text
        time.sleep(0.05)
    raise AssertionError("nothing was told")


def test_e24_each_reader_is_given_their_own_token_and_the_second_costs_two_statements(
    app: Flask, mover: Person, card: KnownCard
) -> None:
    people = [make_user(app) for _ in range(3)]
    readers = [_opened(app, person) for person in people]
    moved(app, card, "second", mover)
    texts, costs = [], []
    for caller, cursor in readers:
        with statements(app) as sent:
            texts.append(_told(caller, cursor))
        costs.append(len(sent))
    tokens = [set(_TOKEN.findall(text)) for text in texts]
    assert all(len(own) == 1 for own in tokens)
    assert len(set.union(*tokens)) == 3
    assert costs[0] > costs[1] == costs[2] == 2
    assert all("Moved by" in text and f'data-card="{card.id}"' in text for text in texts)
    for (caller, _), (token,) in zip(readers, tokens, strict=True):
        folded = caller.client.post(
            f"/boards/{LAB}/collapsed", data={"csrf_token": token, "stage": "first", "collapsed": "1"}
        )
        assert folded.status_code in (204, 303)


def test_e24_whoever_moved_it_folded_a_column_or_narrowed_the_board_is_told_their_own(
    app: Flask, mover: Person, card: KnownCard
) -> None:
    folding, narrowing = make_user(app), make_user(app)
    own, own_cursor = _opened(app, mover)
    other, other_cursor = _opened(app, folding)
    third, third_cursor = _opened(app, narrowing)
    other.post(f"/boards/{LAB}/collapsed", stage="first", collapsed="1")
    moved(app, card, "second", mover)
    plain = _told(third, third_cursor)
    assert "Moved by" in plain
    assert "Moved by" not in _told(own, own_cursor)
    assert (
        _told(other, other_cursor).count('aria-expanded="false"') == plain.count('aria-expanded="false"') + 1
    )
    gone = _told(third, third_cursor, f"?owner={narrowing.id}")
    assert f'data-remove-card data-card="{card.id}"' in gone


def test_e24_of_very_many_changes_the_board_is_opened_anew(
    app: Flask, mover: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_TOLD", 3)
    caller, cursor = _opened(app, make_user(app))
    for _ in range(4):
        a_card(app, mover)
    for _ in range(100):
        if "HX-Refresh" in caller.get(CHANGES, "htmx", X_Board_Cursor=cursor).headers:
            return
        time.sleep(0.05)
    raise AssertionError("nobody was told to open it anew")
