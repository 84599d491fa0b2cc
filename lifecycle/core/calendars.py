"""Opening hours, public holidays and deadlines.

Every moment that comes in is an aware datetime; every moment that goes out is in UTC. What happens between
is computed from local wall time and the zone's own rules, so a deadline survives a clock change:

- A wall time that a clock change skips stands for the first moment after the gap.
- A wall time that a clock change repeats stands for its first occurrence.

How deadlines fall
    Minutes and hours that are not business time are absolute. Days and weeks that are not business time keep
    the local wall time.

    Business minutes and hours run while the calendar is open. A deadline that could be a closing time or the
    next opening, which is the same amount of business time, is the closing time.

    Business days, counted from a moment within opening hours (the closing time counts as within): the same
    local wall time on the n-th business day after. If that day is closed at that time, the deadline is the
    last closing before it that day, or the opening where the day begins later.
    Counted from a moment outside opening hours: time begins at the next opening, so the deadline is the end
    of the n-th business day, the day of that opening being the first. From a break in the middle of a day it
    counts as from the beginning of the break.

Cost: opening times are computed once for each calendar and year (a few milliseconds) and searched by
bisection after that. Calendars are immutable, and safe to share between threads.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import holidays as public_holidays

from lifecycle.core.durations import Duration
from lifecycle.core.zones import find_zone

Openings = tuple[tuple[time, time], ...]
"""Opening and closing wall times of one weekday, in order; a closing time of 00:00 is the end of the day."""

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# A deadline further away than this is a mistake in the calendar, and would be searched for year by year.
FURTHEST_YEARS: Final = 150

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


class CalendarError(ValueError):
    """A calendar was asked for a moment it cannot give; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days without opening hours: those of a country or its subdivision, with ``add`` and without ``remove``.

    ``country`` is an ISO 3166-1 alpha-2 code, ``subdivision`` a code the ``holidays`` package knows for it.
    """

    country: str | None = None
    subdivision: str | None = None
    add: frozenset[date] = frozenset()
    remove: frozenset[date] = frozenset()

    def in_year(self, year: int) -> frozenset[date]:
        """The closed days of one year."""
        days = {day for day in self.add if day.year == year}
        if self.country is not None:
            days.update(public_holidays.country_holidays(self.country, subdiv=self.subdivision, years=year))
        return frozenset(days - self.remove)


@dataclass(frozen=True, slots=True)
class _Year:
    """One local year, laid out for bisection. Moments are whole microseconds since 1970 in UTC."""

    starts: list[int]
    ends: list[int]
    opened_before: list[int]
    opened_after: list[int]
    day_of: list[int]
    """For each opening, the index of its day in ``days``."""
    days: list[int]
    """Ordinals of the days that open at all."""
    first: list[int]
    """For each open day, the index of its first opening; one more entry ends the last day."""
    total: int


@dataclass(frozen=True)
class BusinessCalendar:
    """When a company is open: a time zone, opening hours by weekday (0 is Monday), and holidays.

    Raises ValueError for an unknown time zone, for openings that end before they begin, overlap or are not in
    order, and for a calendar that never opens. Two equal calendars are interchangeable.
    """

    time_zone: str
    hours: Mapping[int, Openings]
    holidays: Holidays | frozenset[date] = frozenset()
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _week: tuple[tuple[tuple[timedelta, timedelta], ...], ...] = field(init=False, repr=False, compare=False)
    _years: dict[int, _Year] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [day for day in self.hours if day not in range(7)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not a weekday; use 0 for Monday to 6 for Sunday")
        week = tuple(_openings_of(day, self.hours.get(day, ())) for day in range(7))
        if not any(week):
            raise ValueError("this calendar never opens; give opening hours for at least one weekday")
        object.__setattr__(self, "_zone", find_zone(self.time_zone))
        object.__setattr__(self, "_week", week)

    def __hash__(self) -> int:
        return hash((self.time_zone, self._week, self.holidays))

    # -- questions ---------------------------------------------------------------------------------------

    def is_open(self, at: datetime) -> bool:
        """Whether the calendar is open at ``at``. Open at the opening time, closed at the closing time."""
        moment, _, year, index = self._locate(at)
        return index >= 0 and moment < year.ends[index]

    def next_open(self, at: datetime) -> datetime:
        """The first open moment at or after ``at``, in UTC."""
        moment, number, year, index = self._locate(at)
        if index >= 0 and moment < year.ends[index]:
            return _utc(moment)
        _, opening, found = self._opening_after(number, year, moment)
        return _utc(found.starts[opening])

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The business time from ``start`` to ``end``; negative when ``end`` comes first.

        Exact, and additive: between(a, b) + between(b, c) == between(a, c).
        """
        first, first_number, first_year, first_index = self._locate(start)
        last, last_number, last_year, last_index = self._locate(end)
        opened = _opened(last_year, last_index, last) - _opened(first_year, first_index, first)
        if first_number != last_number:
            low, high = sorted((first_number, last_number))
            if high - low > FURTHEST_YEARS:
                raise CalendarError(f"business time is counted over {FURTHEST_YEARS} years at most")
            whole = sum(self._year(number).total for number in range(low, high))
            opened += whole if first_number < last_number else -whole
        return timedelta(microseconds=opened)

    def business_day_length(self) -> timedelta:
        """How long an open weekday usually is: the most common length, the longer of two equally common ones.

        Holidays and clock changes are not considered.
        """
        lengths = [sum((end - start for start, end in day), timedelta()) for day in self._week if day]
        return max(lengths, key=lambda length: (lengths.count(length), length))

    def add(self, start: datetime, duration: Duration) -> datetime:
        """The deadline ``duration`` after ``start``, in UTC; the module says how deadlines fall.

        Raises CalendarError when there is none within ``FURTHEST_YEARS`` years.
        """
        if duration.unit in ("minutes", "hours"):
            length = timedelta(**{duration.unit: duration.amount})
            if duration.business:
                return self._after_business_time(start, length // _MICROSECOND)
            return _shifted(_aware(start).astimezone(UTC), length)
        if duration.business:
            return self._after_business_days(start, duration.amount)
        days = duration.amount * (7 if duration.unit == "weeks" else 1)
        wall = _shifted(self._local(start).replace(tzinfo=None), timedelta(days=days))
        return _utc(self._moment(wall))

    def subtract(self, end: datetime, duration: Duration) -> datetime:
        """The moment ``duration`` before ``end``, in UTC: when to remind of something that is due then.

        Of business time, the latest moment from which that much passes until ``end``. Of business days, the
        same time of the day on the open day that many open days earlier, moved to where that day is open;
        from a closed day, the open day before it is the first. Raises CalendarError as ``add`` does.
        """
        if duration.unit in ("minutes", "hours"):
            length = timedelta(**{duration.unit: duration.amount})
            if duration.business:
                return self._before_business_time(end, length // _MICROSECOND)
            return _shifted(_aware(end).astimezone(UTC), -length)
        if duration.business:
            return self._before_business_days(end, duration.amount)
        days = duration.amount * (7 if duration.unit == "weeks" else 1)
        wall = _shifted(self._local(end).replace(tzinfo=None), timedelta(days=-days))
        return _utc(self._moment(wall))

    # -- deadlines ---------------------------------------------------------------------------------------

    def _before_business_time(self, end: datetime, amount: int) -> datetime:
        moment, number, year, index = self._locate(end)
        target = _opened(year, index, moment) - amount
        limit = number - FURTHEST_YEARS
        while target < 0:
            number -= 1
            if number < limit:
                raise CalendarError(f"the calendar did not open long enough within {FURTHEST_YEARS} years")
            year = self._year(number)
            target += year.total
        opening = max(0, bisect_right(year.opened_before, target) - 1)
        return _utc(min(year.starts[opening] + target - year.opened_before[opening], year.ends[opening]))

    def _before_business_days(self, end: datetime, amount: int) -> datetime:
        _, number, year, index = self._locate(end)
        local = self._local(end)
        wall = local.replace(tzinfo=None) - datetime.combine(local.date(), time())
        position = year.day_of[index] if index >= 0 else -1
        # On an open day before its first opening, that day is still to come, and not the last one begun.
        ahead = position + 1 < len(year.days) and year.days[position + 1] == local.date().toordinal()
        is_open_day = position >= 0 and year.days[position] == local.date().toordinal()
        position += 1 - amount if not is_open_day or ahead else -amount
        limit = number - FURTHEST_YEARS
        while position < 0:
            number -= 1
            if number < limit:
                raise CalendarError(f"the calendar did not open often enough within {FURTHEST_YEARS} years")
            year = self._year(number)
            position += len(year.days)
        return self._clamped(year, position, wall)

    def _after_business_time(self, start: datetime, amount: int) -> datetime:
        moment, number, year, index = self._locate(start)
        target = _opened(year, index, moment) + amount
        limit = number + FURTHEST_YEARS
        while target > year.total:
            target -= year.total
            number += 1
            if number > limit:
                raise CalendarError(f"the calendar does not open long enough within {FURTHEST_YEARS} years")
            year = self._year(number)
        opening = bisect_left(year.opened_after, target)
        return _utc(year.starts[opening] + target - year.opened_before[opening])

    def _after_business_days(self, start: datetime, amount: int) -> datetime:
        moment, number, year, index = self._locate(start)
        if index < 0:
            # The closing time of an opening that ends with the year lies in the next year.
            before = self._year(number - 1)
            if before.ends and before.ends[-1] == moment:
                number, year, index = number - 1, before, len(before.ends) - 1
        if index >= 0:
            day = year.day_of[index]
            within = moment <= year.ends[index]
            if within or index + 1 < year.first[day + 1]:
                at = moment if within else year.ends[index]
                wall = _utc(at).astimezone(self._zone).replace(tzinfo=None) - _midnight(year.days[day])
                year, position = self._business_day(number, year, day + amount)
                return self._clamped(year, position, wall)
        number, opening, year = self._opening_after(number, year, moment)
        year, position = self._business_day(number, year, year.day_of[opening] + amount - 1)
        return _utc(year.ends[year.first[position + 1] - 1])

    def _business_day(self, number: int, year: _Year, position: int) -> tuple[_Year, int]:
        """The open day ``position`` days after the first open day of ``year``, as year and index."""
        limit = number + FURTHEST_YEARS
        while position >= len(year.days):
            position -= len(year.days)
            number += 1
            if number > limit:
                raise CalendarError(f"the calendar does not open often enough within {FURTHEST_YEARS} years")
            year = self._year(number)
        return year, position

    def _clamped(self, year: _Year, position: int, wall: timedelta) -> datetime:
        """``wall`` time on an open day, moved to where that day is open."""
        low, high = year.first[position], year.first[position + 1]
        moment = self._moment(_midnight(year.days[position]) + wall)
        index = bisect_right(year.starts, moment, low, high) - 1
        if index < low:
            return _utc(year.starts[low])
        return _utc(min(moment, year.ends[index]))

    def _opening_after(self, number: int, year: _Year, moment: int) -> tuple[int, int, _Year]:
        """The first opening after ``moment``, as year number, index and year."""
        limit = number + FURTHEST_YEARS
        opening = bisect_right(year.starts, moment)
        while opening >= len(year.starts):
            number += 1
            if number > limit:
                raise CalendarError(f"the calendar does not open within {FURTHEST_YEARS} years")
            year, opening = self._year(number), 0
        return number, opening, year

    # -- time --------------------------------------------------------------------------------------------

    def _local(self, at: datetime) -> datetime:
        try:
            return _aware(at).astimezone(self._zone)
        except OverflowError:
            raise CalendarError("this date is too far away to be counted") from None

    def _locate(self, at: datetime) -> tuple[int, int, _Year, int]:
        """The moment, its local year as number and table, and the last opening begun in it (-1: none yet)."""
        number = self._local(at).year
        moment = (at - _EPOCH) // _MICROSECOND
        year = self._year(number)
        return moment, number, year, bisect_right(year.starts, moment) - 1

    def _moment(self, wall: datetime) -> int:
        """The moment of a local wall time: the end of a gap, the first occurrence of a repeated time."""
        early = wall.replace(tzinfo=self._zone)
        before, after = _offset(early), _offset(early.replace(fold=1))
        # Not converted through a datetime: near the first and last year that would leave its range.
        naive = (wall - _EPOCH.replace(tzinfo=None)) // _MICROSECOND
        if before >= after:
            return naive - before // _MICROSECOND
        return _transition(self._zone, naive - after // _MICROSECOND, naive - before // _MICROSECOND)

    def _year(self, number: int) -> _Year:
        year = self._years.get(number)
        if year is None:
            if not 2 <= number <= 9998:
                raise CalendarError("this date is too far away to be counted")
            if len(self._years) > 2 * FURTHEST_YEARS:
                self._years.clear()
            year = self._years[number] = self._lay_out(number)
        return year

    def _lay_out(self, number: int) -> _Year:
        closed = self.holidays if isinstance(self.holidays, frozenset) else self.holidays.in_year(number)
        year = _Year([], [], [], [], [], [], [], 0)
        opened = 0
        for ordinal in range(date(number, 1, 1).toordinal(), date(number + 1, 1, 1).toordinal()):
            openings = self._week[(ordinal + 6) % 7]
            if not openings or date.fromordinal(ordinal) in closed:
                continue
            midnight = _midnight(ordinal)
            begun = len(year.starts)
            for opening, closing in openings:
                start, end = self._moment(midnight + opening), self._moment(midnight + closing)
                if start < end:  # otherwise the whole opening falls into a gap
                    year.starts.append(start)
                    year.ends.append(end)
                    year.opened_before.append(opened)
                    opened += end - start
                    year.opened_after.append(opened)
                    year.day_of.append(len(year.days))
            if len(year.starts) > begun:
                year.days.append(ordinal)
                year.first.append(begun)
        year.first.append(len(year.starts))
        return _Year(
            year.starts,
            year.ends,
            year.opened_before,
            year.opened_after,
            year.day_of,
            year.days,
            year.first,
            opened,
        )


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise CalendarError("a time without a time zone cannot be counted")
    return at


def _utc(moment: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=moment)
    except OverflowError:
        raise CalendarError("this date is too far away to be counted") from None


def _shifted(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        raise CalendarError("this date is too far away to be counted") from None


def _midnight(ordinal: int) -> datetime:
    return datetime.fromordinal(ordinal)


def _offset(at: datetime) -> timedelta:
    offset = at.utcoffset()
    assert offset is not None  # a ZoneInfo always has one
    return offset


def _opened(year: _Year, index: int, moment: int) -> int:
    """Business time from the beginning of the year to ``moment``, in microseconds."""
    if index < 0:
        return 0
    return year.opened_before[index] + min(moment, year.ends[index]) - year.starts[index]


def _transition(zone: ZoneInfo, low: int, high: int) -> int:
    """The moment in (low, high] at which the offset of ``zone`` changes, to the microsecond."""
    old = _utc(low).astimezone(zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if _utc(middle).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high


def _openings_of(day: int, openings: Openings) -> tuple[tuple[timedelta, timedelta], ...]:
    """Openings as distances from midnight, those that touch made one."""
    merged: list[tuple[timedelta, timedelta]] = []
    for opening, closing in openings:
        start, end = _since_midnight(opening), _since_midnight(closing) or _DAY
        if start >= end:
            raise ValueError(
                f"{WEEKDAYS[day]} closes at {closing:%H:%M}, before it opens at {opening:%H:%M}; "
                "hours past midnight are written as two openings, one on each day"
            )
        if merged and start < merged[-1][1]:
            at = f"{opening:%H:%M} on {WEEKDAYS[day]}"
            raise ValueError(f"the opening at {at} begins before the one above it ends")
        if merged and start == merged[-1][1]:
            start, _ = merged.pop()
        merged.append((start, end))
    return tuple(merged)


def _since_midnight(at: time) -> timedelta:
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond)


ALWAYS: Final = BusinessCalendar("UTC", {day: ((time(), time()),) for day in range(7)})
"""Open around the clock: business time is elapsed time."""
