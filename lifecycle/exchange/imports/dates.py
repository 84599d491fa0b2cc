"""Dates as files write them. What could be read two ways is asked about, never guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

DateOrder = Literal["year-month-day", "day-month-year", "month-day-year"]
ORDERS: tuple[DateOrder, ...] = ("year-month-day", "day-month-year", "month-day-year")

_TIME = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?"
    r"\s*(?P<half>[AaPp][Mm])?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}}){_TIME}")
_YEAR_LAST = re.compile(
    rf"(?P<first>\d{{1,2}})[-/. ](?P<second_part>\d{{1,2}})[-/. ](?P<year>\d{{4}}){_TIME}"
)
_DAY_NAMED = re.compile(
    rf"(?P<day>\d{{1,2}})[-/. ]+(?P<name>[A-Za-z]{{3,9}})\.?[-/., ]+(?P<year>\d{{4}}){_TIME}"
)
_NAME_DAY = re.compile(rf"(?P<name>[A-Za-z]{{3,9}})\.? +(?P<day>\d{{1,2}}),? +(?P<year>\d{{4}}){_TIME}")
_SHORT_YEAR = re.compile(r"\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SAMPLES = 5
# A date without a time stands for noon in UTC: it is that same day for nearly every reader, and the days
# between two such dates are whole.
_NOON = time(12, tzinfo=UTC)
_EARLIEST, _LATEST = 1900, 2200


class DateRefused(ValueError):
    """What stands in the cell is not a date; the sentence says what would be right."""


@dataclass(frozen=True)
class Moment:
    """A date as read: the instant it stands for, the day as written, and whether a time was given."""

    at: datetime
    day: date
    has_time: bool


@dataclass
class OrderEvidence:
    """What the values of one column say about the order of day and month."""

    column: str
    day_first: int = 0
    month_first: int = 0
    either: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, cell: str) -> None:
        """Take one cell into account."""
        match = _YEAR_LAST.fullmatch(cell.strip()[:40])
        if match is None:
            return
        first, second = int(match["first"]), int(match["second_part"])
        if first > 12 >= second:
            self.day_first += 1
        elif second > 12 >= first:
            self.month_first += 1
        elif first <= 12 and second <= 12 and first != second:
            self.either += 1
            if len(self.samples) < _SAMPLES and match[0] not in self.samples:
                self.samples.append(match[0])

    def order(self) -> DateOrder | None:
        """Return the order that the values prove, or None when they leave it open."""
        if self.day_first and self.month_first:
            return None
        if self.day_first:
            return "day-month-year"
        if self.month_first:
            return "month-day-year"
        return None if self.either else "year-month-day"

    def question(self) -> dict[str, Any]:
        """Return what to ask a person: the sentence, and samples read both ways."""
        if self.day_first and self.month_first:
            sentence = (
                f"“{self.column}” has {self.day_first:,} dates that can only be day-month and "
                f"{self.month_first:,} that can only be month-day. Which order do the others have?"
            )
        else:
            sentence = (
                f"{self.either:,} {'date' if self.either == 1 else 'dates'} in “{self.column}” can be read "
                "two ways, and no other settles it. "
                "Does the day come first, or the month?"
            )
        readings = [
            {"value": sample, **{order: _both(sample, order) for order in ORDERS[1:]}}
            for sample in self.samples
        ]
        return {"column": self.column, "sentence": sentence, "samples": readings}


def read_date(text: str, order: DateOrder, zone: ZoneInfo) -> Moment:
    """Return the moment that `text` stands for.

    Args:
        order: of day, month and year where the year stands last.
        zone: of times that name none.

    Raises:
        DateRefused: it is no date in that order, or not of the calendar.
    """
    written = text.strip()
    match = _YEAR_FIRST.fullmatch(written)
    if match is not None:
        return _moment(match, int(match["year"]), int(match["month"]), int(match["day"]), zone)
    match = _DAY_NAMED.fullmatch(written) or _NAME_DAY.fullmatch(written)
    if match is not None and match["name"][:3].lower() in _MONTHS:
        month = _MONTHS.index(match["name"][:3].lower()) + 1
        return _moment(match, int(match["year"]), month, int(match["day"]), zone)
    match = _YEAR_LAST.fullmatch(written)
    if match is not None:
        first, second = int(match["first"]), int(match["second_part"])
        if order == "year-month-day":
            raise DateRefused("The year stands last here; say whether the day or the month comes first.")
        month, day = (second, first) if order == "day-month-year" else (first, second)
        return _moment(match, int(match["year"]), month, day, zone, order)
    if _SHORT_YEAR.fullmatch(written):
        raise DateRefused("Write the year with four digits.")
    if re.fullmatch(r"\d{5}(\.\d+)?", written):
        raise DateRefused(
            "This is a spreadsheet's number for a date; format the column as a date and save again."
        )
    raise DateRefused("This is not a date; write it like 2026-11-30.")


def _moment(
    match: re.Match[str], year: int, month: int, day: int, zone: ZoneInfo, order: str = "year-month-day"
) -> Moment:
    try:
        on = date(year, month, day)
    except ValueError:
        raise DateRefused(f"There is no such day, read as {order}.") from None
    if not _EARLIEST <= year <= _LATEST:
        raise DateRefused(f"The year {year} cannot be right.")
    if match["hour"] is None:
        return Moment(datetime.combine(on, _NOON), on, has_time=False)
    hour = int(match["hour"])
    half = (match["half"] or "").lower()
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        wall = datetime.combine(on, time(hour, int(match["minute"]), int(match["second"] or 0)), tzinfo=zone)
        if match["zone"]:
            wall = datetime.fromisoformat(wall.replace(tzinfo=None).isoformat() + _offset(match["zone"]))
    except ValueError:
        raise DateRefused("There is no such time of day.") from None
    return Moment(wall.astimezone(UTC), on, has_time=True)


def _offset(written: str) -> str:
    if written == "Z":
        return "+00:00"
    return written if ":" in written else f"{written[:3]}:{written[3:]}"


def _both(sample: str, order: DateOrder) -> str:
    try:
        day = read_date(sample, order, ZoneInfo("UTC")).day
    except DateRefused:
        return "no date"
    return f"{day.day} {_MONTHS[day.month - 1].capitalize()} {day.year}"


def not_after(moment: Moment, present: datetime) -> datetime | None:
    """Return the instant, or None when it lies in the future.

    A day without a time that has begun somewhere on Earth is today, and stands for the present at the latest.
    """
    if moment.has_time:
        return moment.at if moment.at <= present else None
    if moment.day > (present + timedelta(hours=14)).date():
        return None
    return min(moment.at, present)
