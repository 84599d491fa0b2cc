"""The demo's plan holds on any day it is made: nothing in the future, nothing out of office hours."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from lifecycle.core.calendar_specs import calendar_from_spec
from lifecycle.exchange.demo.places import providers
from lifecycle.exchange.demo.plan import make_plan
from lifecycle.exchange.demo.times import OfficeHours

CALENDAR = calendar_from_spec(
    {
        "time_zone": "Europe/London",
        "hours": {"mon-fri": "09:00-17:30"},
        "holidays": {"country": "GB", "subdivision": "ENG"},
    }
)
DAYS = [
    datetime(2026, 11, 22, 3, 15, tzinfo=UTC),
    datetime(2026, 11, 24, 11, 40, tzinfo=UTC),
    datetime(2027, 1, 1, 12, 0, tzinfo=UTC),
    datetime(2027, 1, 4, 9, 1, tzinfo=UTC),
    datetime(2028, 2, 29, 17, 29, tzinfo=UTC),
]


@pytest.mark.parametrize("at", DAYS, ids=str)
def test_a_plan_fits_the_day_it_is_made_on(at):
    stories = make_plan(at, OfficeHours(CALENDAR), providers())

    for story in stories:
        moments = [*story.begins, story.ends_at]
        assert moments == sorted(moments)
        assert moments[-1] <= at
        # The last opening of the year closes at its own end, which is_open no longer counts.
        assert all(
            CALENDAR.is_open(begin - timedelta(minutes=1)) or CALENDAR.is_open(begin)
            for begin in story.begins
        )
    assert at - timedelta(days=420) < stories[0].begins[0] < at - timedelta(days=330)


@pytest.mark.parametrize("at", DAYS[:2], ids=str)
def test_a_provider_has_one_story_at_a_time(at):
    stories = make_plan(at, OfficeHours(CALENDAR), providers())

    for provider in providers():
        own = [story for story in stories if story.provider == provider]
        assert [story.turn for story in own] == list(range(len(own)))
        assert all(one.ends_at < other.begins[0] for one, other in pairwise(own))


def test_the_same_day_gives_the_same_plan():
    office = OfficeHours(CALENDAR)

    assert make_plan(DAYS[0], office, providers()) == make_plan(DAYS[0], office, providers())


def test_the_plan_is_as_large_as_a_team_would_have():
    stories = make_plan(DAYS[1], OfficeHours(CALENDAR), providers())

    ends = Counter(story.stays[-1].stage for story in stories)
    assert (len(stories), ends["closed_won"], ends["closed_lost"]) == (113, 21, 39)
    # Won and lost all through the year.
    months = Counter(story.ends_at.strftime("%Y-%m") for story in stories if not story.is_open)
    assert len(months) >= 12
    assert max(months.values()) < 12


@pytest.mark.parametrize("hours", [0.5, 3, 8.5, 20, 300])
def test_office_time_counts_the_same_both_ways(hours):
    office = OfficeHours(CALENDAR)
    for day in DAYS:
        start = office.before(day, hours)
        assert abs(CALENDAR.between(start, day) - timedelta(hours=hours)) < timedelta(seconds=2)
