"""E23: a board at a past moment shows each card where it stood then, whatever happened since."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from tests.factories.browsing import Caller
from tests.factories.cards import a_card, moved, stage_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
PAST = f"/boards/{LAB}/past"
STAGES = "first: { sla: 2 hours }\nsecond: {}\nthird: {}"


@pytest.fixture
def member(app: Flask) -> Person:
    publish_lab(app, STAGES, "- { from: [second, third], to: first, kind: revision }")
    return make_user(app)


def _stood(page: str) -> dict[str, str]:
    """Where each card stands on a page."""
    columns = re.findall(r'data-stage="(\w+)"(.*?)</section>', page, re.DOTALL)
    return {card: stage for stage, body in columns for card in re.findall(r'data-card="([^"]+)"', body)}


def test_e23_at_every_moment_each_card_stands_where_it_stood_then(app: Flask, member: Person) -> None:
    chance = random.Random(5)
    told: list[tuple[datetime, dict[str, str]]] = []
    with time_machine.travel(START, tick=False) as clock:
        cards = [a_card(app, member) for _ in range(4)]
        for _ in range(25):
            clock.shift(timedelta(hours=chance.randrange(1, 30)))
            card = chance.choice(cards)
            ways = {"first": ["second"], "second": ["third", "first"], "third": ["first"]}
            moved(app, card, chance.choice(ways[stage_of(app, card)]), member)
            now = datetime.now(UTC)
            told.append((now, {str(each.id): stage_of(app, each) for each in cards}))
        clock.shift(timedelta(hours=1))
        caller = Caller(app, member)
        for at, stood in told:
            page = caller.get(f"{PAST}?at={at + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}")
            assert page.status_code == 200
            assert _stood(page.text) == stood
        nobody = caller.get(f"{PAST}?at=2026-03-01T00:00").text
        assert _stood(nobody) == {}
        assert "0 cards" in nobody


def test_e23_it_says_who_was_late_then(app: Flask, member: Person) -> None:
    with time_machine.travel(START, tick=False) as clock:
        card = a_card(app, member)
        clock.shift(timedelta(hours=5))
        moved(app, card, "second", member)
        caller = Caller(app, member)
        late = caller.get(f"{PAST}?at=2026-03-02T12:30:00Z").text
        assert "1 h over" in late
        assert "3 h in this stage" in late
        assert "over</span>" not in caller.get(f"{PAST}?at=2026-03-02T10:30:00Z").text


@pytest.mark.parametrize(
    "at", ["tomorrow", "9999-12-31T23:59", "2999-01-01T00:00", "0001-01-01T00:00Z", "%00", "1e9"]
)
def test_r10_a_moment_that_is_none_is_told_and_yesterday_shown(app: Flask, member: Person, at: str) -> None:
    page = Caller(app, member).get(f"{PAST}?at={at}")
    assert page.status_code == (200 if at.startswith("0001") else 422)
    assert "as it stood on" in page.text.lower()


def test_e23_nothing_on_it_can_be_moved(app: Flask, member: Person) -> None:
    a_card(app, member)
    page = Caller(app, member).get(PAST).text
    assert 'data-can-move="false"' in page
    assert "/moves" not in page
