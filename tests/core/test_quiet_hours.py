"""E14: quiet hours on the clock of whom they are for, over midnight and over every kind of clock change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core.quiet_hours import is_clock, quiet_end


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "hours", "at", "end"),
    [
        # Within a day, and its edges.
        ("UTC", "12:00-14:00", "2026-03-03 11:59:59", None),
        ("UTC", "12:00-14:00", "2026-03-03 12:00", "2026-03-03 14:00"),
        ("UTC", "12:00-14:00", "2026-03-03 13:59:59", "2026-03-03 14:00"),
        ("UTC", "12:00-14:00", "2026-03-03 14:00", None),
        # Over midnight, before and after it.
        ("Europe/Madrid", "22:00-08:00", "2026-01-10 22:30", "2026-01-11 07:00"),
        ("Europe/Madrid", "22:00-08:00", "2026-01-11 02:00", "2026-01-11 07:00"),
        ("Europe/Madrid", "22:00-08:00", "2026-01-11 07:00", None),
        ("Europe/Madrid", "22:00-08:00", "2026-01-10 20:59", None),
        ("Europe/Madrid", "22:00-08:00", "2026-01-10 21:00", "2026-01-11 07:00"),
        # The night that loses an hour, and the one that gains one: 08:00 is 08:00.
        ("Europe/Madrid", "22:00-08:00", "2026-03-28 23:00", "2026-03-29 06:00"),
        ("Europe/Madrid", "22:00-08:00", "2026-10-24 23:00", "2026-10-25 07:00"),
        # They end within the hour that is skipped: as if it were an hour later, after it.
        ("Europe/Madrid", "22:00-02:30", "2026-03-29 00:45", "2026-03-29 01:30"),
        # They end within the hour that comes twice: the second time.
        ("Europe/Madrid", "22:00-02:30", "2026-10-25 00:45", "2026-10-25 01:30"),
        # They begin within the hour that comes twice: the first time, and go on.
        ("Europe/Madrid", "02:30-06:00", "2026-10-25 00:30", "2026-10-25 05:00"),
        ("Europe/Madrid", "02:30-06:00", "2026-10-25 00:29", None),
        # A quarter of an hour off, half an hour of summer, and the other side of the date line.
        ("Asia/Kathmandu", "22:00-08:00", "2026-05-05 16:15", "2026-05-06 02:15"),
        ("Australia/Lord_Howe", "22:00-08:00", "2026-04-04 13:00", "2026-04-04 21:30"),
        ("Pacific/Kiritimati", "22:00-08:00", "2026-05-05 09:00", "2026-05-05 18:00"),
    ],
)
def test_quiet_hours_end_when_they_should(zone: str, hours: str, at: str, end: str | None) -> None:
    begins, ends = hours.split("-")
    assert quiet_end(utc(at), ZoneInfo(zone), begins, ends) == (utc(end) if end else None)


@settings(max_examples=300, deadline=None)
@given(
    at=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made UTC below
    zone=st.sampled_from(["Europe/Madrid", "America/St_Johns", "Australia/Lord_Howe", "Asia/Tehran", "UTC"]),
    begins=st.times(),
    ends=st.times(),
)
def test_an_end_is_to_come_and_outside_of_them(at, zone, begins, ends) -> None:
    first, last = f"{begins:%H:%M}", f"{ends:%H:%M}"
    if first == last:
        return
    moment, where = at.replace(tzinfo=UTC), ZoneInfo(zone)
    end = quiet_end(moment, where, first, last)
    if end is None:
        return
    assert moment < end <= moment + timedelta(hours=25)
    wall = end.astimezone(where)
    assert (
        f"{wall:%H:%M}" == last
        or wall.utcoffset() != (end - timedelta(hours=2)).astimezone(where).utcoffset()
    )
    assert quiet_end(end, where, first, last) is None


def test_a_time_of_the_day_is_two_digits_twice() -> None:
    assert is_clock("00:00")
    assert is_clock("23:59")
    for wrong in ("24:00", "7:00", "07:60", "07:00:00", "07:00\n", "0\u0667:00", ""):
        assert not is_clock(wrong), wrong
