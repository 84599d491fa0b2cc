"""Deadlines and business time (E11), over the clock changes that break them."""

# ruff: noqa: DTZ001 - naive times are refused here, or are bounds that get their zone beside them.

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core.calendar_specs import calendar_from_spec
from lifecycle.core.calendars import ALWAYS, BusinessCalendar, CalendarError, Holidays
from lifecycle.core.durations import Duration, parse_duration
from tests.calls import count_calls

OFFICE = calendar_from_spec(
    {
        "time_zone": "Europe/Madrid",
        "hours": {"mon-fri": "09:00-17:00"},
        "holidays": {"country": "ES", "subdivision": "MD", "add": ["2026-12-24"], "remove": ["2026-12-08"]},
    }
)
LUNCH = calendar_from_spec(
    {"time_zone": "Europe/Madrid", "hours": {"mon-fri": ["09:00-13:00", "14:00-18:00"], "sat": "10:00-13:00"}}
)


def around_the_clock(zone: str) -> BusinessCalendar:
    return calendar_from_spec({"time_zone": zone, "hours": {"mon-sun": "00:00-24:00"}})


def local(text: str, zone: str = "Europe/Madrid", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def wall(at: datetime, zone: str = "Europe/Madrid") -> str:
    assert at.tzinfo is UTC
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("start", "words", "deadline"),
    [
        # Monday 2026-11-16 to Friday 2026-11-20
        ("2026-11-16 10:00", "4 business hours", "2026-11-16 14:00"),
        ("2026-11-16 13:00", "4 business hours", "2026-11-16 17:00"),  # closing, not next opening
        ("2026-11-16 13:01", "4 business hours", "2026-11-17 09:01"),
        ("2026-11-20 16:30", "1 business hour", "2026-11-23 09:30"),
        ("2026-11-21 11:00", "90 business minutes", "2026-11-23 10:30"),
        ("2026-11-16 10:00", "1 business day", "2026-11-17 10:00"),
        ("2026-11-16 09:00", "1 business day", "2026-11-17 09:00"),
        ("2026-11-16 17:00", "1 business day", "2026-11-17 17:00"),
        ("2026-11-16 17:01", "1 business day", "2026-11-17 17:00"),
        ("2026-11-16 08:59", "1 business day", "2026-11-16 17:00"),
        ("2026-11-21 11:00", "2 business days", "2026-11-24 17:00"),
        ("2026-11-20 10:00", "2 business days", "2026-11-24 10:00"),
        ("2026-12-23 10:00", "1 business day", "2026-12-28 10:00"),  # 24th added, 25th public
        (
            "2026-12-04 10:00",
            "1 business day",
            "2026-12-08 10:00",
        ),  # the 8th removed, the 7th in lieu of a Sunday
        ("2026-12-31 16:00", "2 business hours", "2027-01-04 10:00"),
        ("2026-11-16 10:00", "3 days", "2026-11-19 10:00"),
        ("2026-11-16 10:00", "1 week", "2026-11-23 10:00"),
        ("2026-11-16 23:50", "30 minutes", "2026-11-17 00:20"),
    ],
)
def test_a_deadline_falls_as_described(start: str, words: str, deadline: str) -> None:
    assert wall(OFFICE.add(local(start), parse_duration(words))) == deadline


@pytest.mark.parametrize(
    ("start", "words", "deadline"),
    [
        ("2026-11-16 12:00", "2 business hours", "2026-11-16 15:00"),
        ("2026-11-16 12:00", "1 business hour", "2026-11-16 13:00"),
        ("2026-11-16 13:30", "4 business hours", "2026-11-16 18:00"),
        ("2026-11-16 13:30", "1 business day", "2026-11-17 13:00"),  # a break counts as its beginning
        ("2026-11-16 14:00", "1 business day", "2026-11-17 14:00"),
        ("2026-11-20 15:00", "1 business day", "2026-11-21 13:00"),  # Saturday has closed by then
        ("2026-11-20 09:15", "1 business day", "2026-11-21 10:00"),  # Saturday opens later
        ("2026-11-20 18:01", "1 business day", "2026-11-21 13:00"),
        ("2026-11-21 12:00", "1 business day", "2026-11-23 12:00"),
        ("2026-11-22 12:00", "1 business day", "2026-11-23 18:00"),
    ],
)
def test_lunch_and_short_days(start: str, words: str, deadline: str) -> None:
    assert wall(LUNCH.add(local(start), parse_duration(words))) == deadline


def test_open_and_next_open() -> None:
    assert OFFICE.is_open(local("2026-11-16 09:00"))
    assert not OFFICE.is_open(local("2026-11-16 17:00"))
    assert not OFFICE.is_open(local("2026-12-24 12:00"))
    assert not LUNCH.is_open(local("2026-11-16 13:30"))
    assert wall(OFFICE.next_open(local("2026-11-16 12:00"))) == "2026-11-16 12:00"
    assert wall(OFFICE.next_open(local("2026-11-20 17:00"))) == "2026-11-23 09:00"
    assert wall(OFFICE.next_open(local("2026-12-31 17:00"))) == "2027-01-04 09:00"
    assert wall(LUNCH.next_open(local("2026-11-16 13:00"))) == "2026-11-16 14:00"


def test_business_time_between() -> None:
    assert OFFICE.between(local("2026-11-20 16:00"), local("2026-11-23 10:00")) == timedelta(hours=2)
    assert OFFICE.between(local("2026-11-23 10:00"), local("2026-11-20 16:00")) == timedelta(hours=-2)
    assert OFFICE.between(local("2026-11-21 16:00"), local("2026-11-22 10:00")) == timedelta(0)
    assert LUNCH.between(local("2026-11-16 00:00"), local("2026-11-23 00:00")) == timedelta(hours=43)
    assert OFFICE.between(local("2026-12-30 16:00"), local("2027-01-04 10:00")) == timedelta(hours=10)


def test_the_usual_business_day() -> None:
    assert OFFICE.business_day_length() == timedelta(hours=8)
    assert LUNCH.business_day_length() == timedelta(hours=8)
    assert ALWAYS.business_day_length() == timedelta(days=1)
    evenings = calendar_from_spec({"time_zone": "UTC", "hours": {"mon": "09:00-10:00", "tue": "09:00-12:00"}})
    assert evenings.business_day_length() == timedelta(hours=3)


def test_always_counts_elapsed_time() -> None:
    start = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert ALWAYS.add(start, Duration(3, "days", True)) == start + timedelta(days=3)
    assert ALWAYS.add(start, Duration(100, "hours", True)) == start + timedelta(hours=100)
    assert ALWAYS.between(start, start + timedelta(days=999)) == timedelta(days=999)
    assert ALWAYS.is_open(start)


# -- clock changes ---------------------------------------------------------------------------------------


def test_local_days_keep_the_wall_time_over_a_clock_change() -> None:
    before = local("2026-03-28 10:00")
    assert wall(OFFICE.add(before, Duration(1, "days"))) == "2026-03-29 10:00"
    assert OFFICE.add(before, Duration(1, "days")) - before == timedelta(hours=23)
    assert OFFICE.add(before, Duration(24, "hours")) - before == timedelta(hours=24)


def test_a_gap_moves_forward_to_the_first_moment_that_exists() -> None:
    deadline = OFFICE.add(local("2026-03-28 02:30"), Duration(1, "days"))
    assert wall(deadline) == "2026-03-29 03:00"
    assert deadline == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_repeated_hour_is_taken_the_first_time() -> None:
    deadline = OFFICE.add(local("2026-10-24 02:30"), Duration(1, "days"))
    assert deadline == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_hours_open_through_a_clock_change_are_as_long_as_they_were() -> None:
    clock = around_the_clock("Europe/Madrid")
    assert clock.between(local("2026-03-29 00:00"), local("2026-03-30 00:00")) == timedelta(hours=23)
    assert clock.between(local("2026-10-25 00:00"), local("2026-10-26 00:00")) == timedelta(hours=25)
    nights = calendar_from_spec({"time_zone": "Europe/Madrid", "hours": {"mon-sun": "01:00-04:00"}})
    assert nights.between(local("2026-03-29 00:00"), local("2026-03-30 00:00")) == timedelta(hours=2)
    assert nights.between(local("2026-10-25 00:00"), local("2026-10-26 00:00")) == timedelta(hours=4)


def test_an_opening_inside_a_gap_does_not_take_place() -> None:
    nights = calendar_from_spec({"time_zone": "Europe/Madrid", "hours": {"mon-sun": "02:00-03:00"}})
    assert nights.between(local("2026-03-29 00:00"), local("2026-03-30 00:00")) == timedelta(0)
    assert wall(nights.add(local("2026-03-28 02:30"), Duration(1, "days", True))) == "2026-03-30 02:30"
    assert wall(nights.next_open(local("2026-03-28 03:00"))) == "2026-03-30 02:00"


def test_business_days_keep_the_wall_time_over_a_clock_change() -> None:
    assert wall(OFFICE.add(local("2026-03-27 10:00"), Duration(1, "days", True))) == "2026-03-30 10:00"
    assert wall(OFFICE.add(local("2026-10-23 16:59"), Duration(1, "days", True))) == "2026-10-26 16:59"


def test_a_gap_at_midnight() -> None:
    zone = "America/Santiago"  # 2026-09-06 begins at 01:00
    clock = around_the_clock(zone)
    deadline = clock.add(local("2026-09-05 00:00", zone), Duration(1, "days"))
    assert wall(deadline, zone) == "2026-09-06 01:00"
    noon = local("2026-09-05 12:00", zone)
    assert clock.between(noon, noon + timedelta(days=1)) == timedelta(hours=23)
    assert clock.is_open(local("2026-09-06 01:00", zone))


def test_half_an_hour_of_summer_time() -> None:
    zone = "Australia/Lord_Howe"  # 02:00 became 02:30 on 2026-10-04 and 01:30 on 2026-04-05
    clock = around_the_clock(zone)
    for midnight, hours in (("2026-10-04 00:00", 23.5), ("2026-04-05 00:00", 24.5)):
        start = local(midnight, zone)
        assert clock.between(start, start + timedelta(days=1)) == timedelta(hours=hours)
    assert wall(clock.add(local("2026-10-03 02:15", zone), Duration(1, "days")), zone) == "2026-10-04 02:30"
    first = clock.add(local("2026-04-04 01:45", zone), Duration(1, "days"))
    assert first == local("2026-04-05 01:45", zone, fold=0).astimezone(UTC)


def test_a_quarter_hour_zone() -> None:
    kathmandu = calendar_from_spec({"time_zone": "Asia/Kathmandu", "hours": {"sun-fri": "10:00-17:00"}})
    start = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)  # Friday 16:45 in Kathmandu
    assert kathmandu.add(start, Duration(1, "hours", True)) == datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
    assert kathmandu.add(start, Duration(1, "days", True)) == datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def test_a_day_that_never_was() -> None:
    zone = "Pacific/Apia"  # no 2011-12-30
    clock = around_the_clock(zone)
    start = local("2011-12-29 10:00", zone)
    assert clock.between(start, local("2011-12-31 10:00", zone)) == timedelta(days=1)
    assert wall(clock.add(start, Duration(1, "days", True)), zone) == "2011-12-31 10:00"
    assert wall(clock.add(start, Duration(1, "days")), zone) == "2011-12-31 00:00"


def test_one_moment_is_two_dates_across_the_date_line() -> None:
    at = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)  # Saturday 01:00 in Kiritimati, Friday 00:00 in Pago Pago
    hours = {"mon-fri": "00:00-24:00"}
    assert not calendar_from_spec({"time_zone": "Pacific/Kiritimati", "hours": hours}).is_open(at)
    assert calendar_from_spec({"time_zone": "Pacific/Pago_Pago", "hours": hours}).is_open(at)


def test_hours_until_midnight() -> None:
    evenings = calendar_from_spec({"time_zone": "Europe/Madrid", "hours": {"mon-fri": "14:00-24:00"}})
    assert wall(evenings.add(local("2026-11-16 20:00"), Duration(4, "hours", True))) == "2026-11-17 00:00"
    assert wall(evenings.add(local("2026-11-17 00:00"), Duration(1, "days", True))) == "2026-11-18 00:00"
    # Closing with the year.
    assert wall(evenings.add(local("2026-01-01 00:00"), Duration(1, "days", True))) == "2026-01-02 00:00"


# -- limits ----------------------------------------------------------------------------------------------


def test_a_calendar_that_never_opens_is_refused() -> None:
    with pytest.raises(ValueError, match="never opens"):
        BusinessCalendar("UTC", {0: ()})


def test_a_search_without_end_is_refused() -> None:
    mondays = frozenset(date.fromordinal(day) for day in range(date(2026, 1, 5).toordinal(), 1_000_000, 7))
    rare = BusinessCalendar("UTC", {0: ((time(9), time(10)),)}, mondays)
    at = datetime(2026, 1, 6, tzinfo=UTC)
    for ask in (
        lambda: rare.next_open(at),
        lambda: rare.add(at, Duration(1, "days", True)),
        lambda: rare.add(at, Duration(1, "minutes", True)),
    ):
        with pytest.raises(CalendarError, match="within 150 years"):
            ask()


@pytest.mark.parametrize("year", [1, 2, 9998, 9999])
def test_the_ends_of_time_are_refused_with_a_sentence(year: int) -> None:
    at = datetime(year, 12, 31 if year > 5000 else 1, 23, 59, tzinfo=UTC)
    calls: list[Callable[[], object]] = [
        lambda: OFFICE.add(at, Duration(3653, "days", True)),
        lambda: OFFICE.add(at, Duration(3653, "days")),
        lambda: OFFICE.next_open(at),
        lambda: OFFICE.between(at, datetime(2026, 1, 1, tzinfo=UTC)),
    ]
    for call in calls:
        try:
            call()
        except CalendarError:
            continue


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(CalendarError, match="without a time zone"):
        OFFICE.is_open(datetime(2026, 1, 1))
    with pytest.raises(CalendarError, match="without a time zone"):
        OFFICE.add(datetime(2026, 1, 1), Duration(1, "hours"))


# -- what playbooks write --------------------------------------------------------------------------------

GOOD = {"time_zone": "Europe/Madrid", "hours": {"mon-fri": "09:00-17:00"}}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ([], "a calendar is a set of keys"),
        ({}, "time_zone: a calendar needs a time zone"),
        (GOOD | {"time_zone": "Europe/Madird"}, "did you mean Europe/Madrid"),
        (GOOD | {"time_zone": "madrid"}, "did you mean Europe/Madrid"),
        (GOOD | {"time_zone": "../etc/passwd"}, "is not a time zone"),
        (GOOD | {"time_zone": "Europe"}, "is not a time zone"),
        (GOOD | {"timezone": "x"}, "timezone: this is not known here; did you mean time_zone?"),
        ({"time_zone": "UTC"}, "hours: a calendar needs opening hours"),
        (GOOD | {"hours": {"mon-fry": "09:00-17:00"}}, "hours.mon-fry: 'fry' is not a weekday"),
        (GOOD | {"hours": {"mon": "9-5"}}, "hours.mon: '9-5' is not a range of hours"),
        (GOOD | {"hours": {"mon": 900}}, "hours.mon: '900' is not a range of hours"),
        (GOOD | {"hours": {"mon": "09:00-25:00"}}, "a day runs from 00:00 to 24:00"),
        (GOOD | {"hours": {"mon": "22:00-06:00"}}, "'22:00-24:00'"),
        (GOOD | {"hours": {"mon-wed": "09:00-10:00", "tue": "09:00-10:00"}}, "hours.tue: tuesday has hours"),
        (GOOD | {"hours": {"mon": ["09:00-12:00", "11:00-13:00"]}}, "hours: the opening at 11:00 on monday"),
        (GOOD | {"hours": {"mon": "closed"}}, "hours: this calendar never opens"),
        (GOOD | {"holidays": ["2026-12-24"]}, "holidays: give a country"),
        (GOOD | {"holidays": {"country": "XX"}}, "holidays.country: 'XX' is not a known country code"),
        (GOOD | {"holidays": {"country": ["ES"]}}, "is not a known country code"),
        (GOOD | {"holidays": {"country": False}}, "put the code in quotation marks"),
        (GOOD | {"holidays": {"country": "ES", "subdivision": "ZZ"}}, "is not known for ES; use one of AN"),
        (GOOD | {"holidays": {"subdivision": "MD"}}, "needs its country"),
        (GOOD | {"holidays": {"add": ["24.12.2026"]}}, "holidays.add: '24.12.2026' is not a date"),
        (GOOD | {"holidays": {"remove": "2026-12-24"}}, "holidays.remove: this is a list of dates"),
        (GOOD | {"holidays": {"added": []}}, "holidays.added: this is not known here; did you mean add?"),
    ],
)
def test_a_wrong_description_names_the_key_and_the_remedy(spec: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        calendar_from_spec(spec)


def test_descriptions_are_read_once() -> None:
    spec = GOOD | {"holidays": {"country": "ES", "add": [date(2026, 12, 24)]}}
    assert calendar_from_spec(spec) is calendar_from_spec(spec)
    assert calendar_from_spec(spec).holidays == Holidays("ES", None, frozenset({date(2026, 12, 24)}))
    weekend = GOOD | {"hours": {"sat, sun": "09:00-10:00", "fri-fri": "09:00-10:00"}}
    assert calendar_from_spec(weekend).hours.keys() == {4, 5, 6}


# -- properties ------------------------------------------------------------------------------------------

ZONES = [
    "UTC",
    "Europe/Madrid",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Santiago",
    "Pacific/Chatham",
    "America/St_Johns",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
]
moments = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
business_time = st.one_of(
    st.builds(Duration, st.integers(1, 500), st.just("hours"), st.just(True)),
    st.builds(Duration, st.integers(1, 5000), st.just("minutes"), st.just(True)),
)


@st.composite
def calendars(draw: st.DrawFn) -> BusinessCalendar:
    hours = {}
    for day in draw(st.sets(st.integers(0, 6), min_size=1)):
        marks = sorted(draw(st.sets(st.integers(0, 96), min_size=2, max_size=6)))
        pairs = zip(marks[::2], marks[1::2], strict=False)
        hours[day] = tuple((time(a // 4, a % 4 * 15), time(b // 4 % 24, b % 4 * 15)) for a, b in pairs)
    closed = draw(st.frozensets(st.dates(date(2010, 1, 1), date(2030, 1, 1)), max_size=20))
    return BusinessCalendar(draw(st.sampled_from(ZONES)), hours, closed)


@settings(max_examples=150, deadline=None)
@given(calendars(), moments, business_time)
def test_a_deadline_lies_as_far_away_as_was_asked(
    calendar: BusinessCalendar, start: datetime, by: Duration
) -> None:
    deadline = calendar.add(start, by)
    assert calendar.between(start, deadline) == timedelta(**{by.unit: by.amount})
    # The earliest such moment: a closing time rather than the next opening.
    assert calendar.is_open(deadline - timedelta(microseconds=1))


@settings(max_examples=150, deadline=None)
@given(calendars(), moments, moments, moments)
def test_business_time_is_additive_and_never_more_than_elapsed(
    calendar: BusinessCalendar, a: datetime, b: datetime, c: datetime
) -> None:
    assert calendar.between(a, b) + calendar.between(b, c) == calendar.between(a, c)
    assert timedelta(0) <= calendar.between(min(a, b), max(a, b)) <= max(a, b) - min(a, b)


@settings(max_examples=150, deadline=None)
@given(calendars(), moments, moments, business_time)
def test_a_later_start_has_no_earlier_deadline(
    calendar: BusinessCalendar, a: datetime, b: datetime, by: Duration
) -> None:
    assert calendar.add(min(a, b), by) <= calendar.add(max(a, b), by)


@settings(max_examples=150, deadline=None)
@given(calendars(), moments, st.integers(1, 30), st.integers(0, 100_000))
def test_business_days_end_on_a_business_day_within_hours(
    calendar: BusinessCalendar, start: datetime, days: int, later: int
) -> None:
    deadline = calendar.add(start, Duration(days, "days", True))
    assert deadline > start
    assert calendar.is_open(deadline) or calendar.is_open(deadline - timedelta(microseconds=1))
    fewer = calendar.add(start, Duration(days + 1, "days", True))
    assert deadline < fewer
    # Elsewhere a repeated hour puts a later start at an earlier wall time.
    if calendar.time_zone in ("UTC", "Asia/Kathmandu"):
        assert calendar.add(start + timedelta(seconds=later), Duration(days, "days", True)) >= deadline


@settings(max_examples=100, deadline=None)
@given(moments, st.integers(1, 30))
def test_in_a_plain_week_n_business_days_are_n_times_the_day(start: datetime, days: int) -> None:
    plain = BusinessCalendar("Asia/Kathmandu", {day: ((time(9), time(17)),) for day in range(5)})
    assert plain.between(start, plain.add(start, Duration(days, "days", True))) == timedelta(hours=8) * days


@settings(max_examples=30, deadline=None)
@given(
    calendars(),
    st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC)),
    st.integers(0, 4 * 24 * 20),
)
def test_business_time_agrees_with_asking_every_quarter_hour(
    calendar: BusinessCalendar, start: datetime, quarters: int
) -> None:
    """Openings begin and end on quarters, and so does every offset of these years."""
    start = start.replace(minute=0, second=0, microsecond=0)
    step = timedelta(minutes=15)
    counted = sum((step for each in range(quarters) if calendar.is_open(start + each * step)), timedelta())
    assert calendar.between(start, start + quarters * step) == counted


# -- cost ------------------------------------------------------------------------------------------------


def test_a_board_page_of_deadlines_is_cheap() -> None:
    start, end = local("2026-11-12 16:00").astimezone(UTC), local("2026-11-22 10:00").astimezone(UTC)
    ten_years_later = start + timedelta(days=3652)
    days, hours = Duration(3, "days", True), Duration(20, "hours", True)
    OFFICE.between(start, ten_years_later)  # The years it needs are laid out once, and are not counted.
    assert count_calls(lambda: OFFICE.add(start, days)) < 60
    assert count_calls(lambda: OFFICE.add(start, hours)) < 60
    days_apart = count_calls(lambda: OFFICE.between(start, end))
    assert days_apart < 60
    # Ten years are ten looks at a year, not thousands of looks at a day.
    assert count_calls(lambda: OFFICE.between(start, ten_years_later)) < days_apart + 10 * 20
