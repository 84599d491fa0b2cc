"""Dates are read as declared or as proven, and never guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from lifecycle.exchange.imports.dates import DateRefused, OrderEvidence, not_after, read_date

UTC_ZONE = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["2020-03-04", "2020-05-06"], "year-month-day"),
        (["03/04/2020", "13/04/2020"], "day-month-year"),
        (["03/04/2020", "04/13/2020"], "month-day-year"),
        (["03/04/2020", "05/06/2020"], None),
        (["13/04/2020", "04/13/2020"], None),
        (["03/03/2020"], "year-month-day"),
        ([], "year-month-day"),
    ],
)
def test_an_order_is_proven_or_asked_about(values, order):
    evidence = OrderEvidence("closed")
    for value in values:
        evidence.add(value)
    assert evidence.order() == order


def test_the_question_shows_both_readings():
    evidence = OrderEvidence("closed")
    evidence.add("03/04/2020")
    question = evidence.question()
    assert "1 date in “closed” can be read two ways" in question["sentence"]
    assert question["samples"] == [
        {"value": "03/04/2020", "day-month-year": "3 Apr 2020", "month-day-year": "4 Mar 2020"}
    ]


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2020-03-04", "day-month-year", date(2020, 3, 4)),
        ("3.4.2020", "day-month-year", date(2020, 4, 3)),
        ("3/4/2020", "month-day-year", date(2020, 3, 4)),
        ("4 March 2020", "year-month-day", date(2020, 3, 4)),
        ("Mar 4, 2020", "year-month-day", date(2020, 3, 4)),
    ],
)
def test_a_day_stands_for_its_noon(text, order, day):
    moment = read_date(text, order, UTC_ZONE)
    assert (moment.day, moment.at) == (day, datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def test_a_time_is_taken_in_its_zone():
    madrid = ZoneInfo("Europe/Madrid")
    assert read_date("2020-07-01 09:30", "year-month-day", madrid).at == datetime(
        2020, 7, 1, 7, 30, tzinfo=UTC
    )
    assert read_date("2020-07-01T09:30+0530", "year-month-day", madrid).at == datetime(
        2020, 7, 1, 4, tzinfo=UTC
    )
    assert read_date("7/1/2020 1:05 PM", "month-day-year", UTC_ZONE).at == datetime(
        2020, 7, 1, 13, 5, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("31/02/2020", "no such day"),
        ("01/02/20", "four digits"),
        ("43831", "spreadsheet's number"),
        ("soon", "not a date"),
        ("0020-01-01", "cannot be right"),
        ("2020-01-01 25:00", "no such time"),
        ("2020-01-01 10:00 +99:99", "no such time"),
        ("9999-12-31 23:59-12:00", "cannot be right"),
    ],
)
def test_what_is_no_date_is_refused(text, said):
    with pytest.raises(DateRefused) as refusal:
        read_date(text, "day-month-year", UTC_ZONE)
    assert said in str(refusal.value)


def test_a_day_that_began_somewhere_is_today_and_later_ones_are_the_future():
    present = datetime(2026, 5, 1, 20, tzinfo=UTC)
    assert not_after(read_date("2026-05-01", "year-month-day", UTC_ZONE), present) == datetime(
        2026, 5, 1, 12, tzinfo=UTC
    )
    assert not_after(read_date("2026-05-02", "year-month-day", UTC_ZONE), present) == present
    assert not_after(read_date("2026-05-03", "year-month-day", UTC_ZONE), present) is None
