"""E12, E15: rules that wait for a date or an hour fire once, whoever looks and however late."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.governance.automation.timed import latest_due, set_off_timed_rules
from lifecycle.governance.playbooks.library import current
from tests.factories.cards import KnownCard, a_card, fill
from tests.factories.consequences import firings
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

RULES = """
rules:
  soon: { at: 2 days before ready_on, do: [ { task: { title: Get it ready, due: 1 day } } ] }
  daily: { every: 'day at 09:00', do: [ { task: { title: Look at it, due: 1 day } } ] }
  weekly: { every: 'monday at 09:00', do: [ { task: { title: Look at all of it, due: 1 day } } ] }
"""
# A Monday.
START = datetime(2027, 2, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock(app: Flask) -> Iterator[Any]:
    with time_machine.travel(START) as clock:
        publish_lab(app, "first: {}\nsecond: {}", files={"rules.yaml": RULES})
        yield clock


@pytest.fixture
def ana(app: Flask, clock: Any) -> Person:
    return make_user(app, name="Ana", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    card = a_card(app, ana)
    fill(app, card, ana, ready_on="2027-02-05")
    return card


def look(app: Flask) -> int:
    with app.app_context():
        return set_off_timed_rules()


def fired(app: Flask, card: KnownCard) -> list[str]:
    return [firing.rule_key for firing in firings(app, card)]


def test_nothing_fires_before_its_time_and_nothing_for_the_hours_before_it_was_published(
    app: Flask, card: KnownCard
) -> None:
    assert look(app) == 0


def test_each_fires_once_when_its_time_has_come(app: Flask, card: KnownCard, clock: Any) -> None:
    clock.move_to(START + timedelta(days=1))
    assert look(app) == 1
    assert look(app) == 0
    clock.move_to(START + timedelta(days=2))
    look(app)
    look(app)
    assert sorted(fired(app, card)) == ["daily", "daily", "soon"]
    clock.move_to(START + timedelta(days=7))
    look(app)
    assert sorted(fired(app, card)) == ["daily", "daily", "daily", "soon", "weekly"]


def test_after_36_hours_of_downtime_the_last_hour_counts_and_a_date_is_not_lost(
    app: Flask, card: KnownCard, clock: Any
) -> None:
    clock.move_to(START + timedelta(days=1, hours=6))
    look(app)
    clock.move_to(START + timedelta(days=2, hours=18))
    look(app)
    assert sorted(fired(app, card)) == ["daily", "daily", "soon"]


def test_a_date_long_past_is_left_in_peace(app: Flask, card: KnownCard, clock: Any) -> None:
    clock.move_to(START + timedelta(days=14))
    look(app)
    assert "soon" not in fired(app, card)


def test_a_date_that_moves_fires_for_the_new_one(
    app: Flask, card: KnownCard, ana: Person, clock: Any
) -> None:
    clock.move_to(START + timedelta(days=2))
    look(app)
    fill(app, card, ana, ready_on="2027-02-20")
    look(app)
    assert fired(app, card).count("soon") == 1
    clock.move_to(datetime(2027, 2, 18, 12, tzinfo=UTC))
    look(app)
    look(app)
    assert fired(app, card).count("soon") == 2


def test_two_schedulers_at_once_fire_it_once(app: Flask, card: KnownCard, clock: Any) -> None:
    clock.move_to(START + timedelta(days=2))
    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(lambda _: look(app), range(4)))
    assert sorted(fired(app, card)) == ["daily", "soon"]
    assert sum(counts) == 2


@pytest.mark.parametrize(
    ("zone", "at", "day", "expected"),
    [
        # 02:30 does not exist on the day the clocks go forward: it is due after the gap.
        ("Europe/Berlin", 150, date(2027, 3, 28), "2027-03-28T01:30+00:00"),
        # It comes twice when they go back: the first one counts, once.
        ("Europe/Berlin", 150, date(2027, 10, 31), "2027-10-31T00:30+00:00"),
        ("Asia/Kathmandu", 540, date(2027, 2, 3), "2027-02-03T03:15+00:00"),
    ],
)
def test_an_hour_of_the_day_around_clock_changes_and_odd_zones(
    app: Flask, clock: Any, zone: str, at: int, day: date, expected: str
) -> None:
    with app.app_context():
        playbook = current("lab")
    rule = next(rule for rule in playbook.rules if rule.key == "daily")
    rule = replace(rule, trigger=replace(rule.trigger, at=at))
    calendars = {key: replace(each, time_zone=zone) for key, each in playbook.calendars.items()}
    playbook = replace(playbook, calendars=calendars)
    evening = datetime(day.year, day.month, day.day, 16, tzinfo=UTC)
    assert latest_due(rule, playbook, evening) == datetime.fromisoformat(expected)
