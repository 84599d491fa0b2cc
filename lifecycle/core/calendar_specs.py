"""Calendars as playbooks write them, read with a sentence for each thing that is not right."""

# ruff: noqa: TRY004 - to the author of a playbook, a value of the wrong type is a wrong value.

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import cache, lru_cache
from typing import Any, Final

import holidays as public_holidays

from lifecycle.core.calendars import WEEKDAYS, BusinessCalendar, Holidays, Openings
from lifecycle.core.zones import find_zone, nearest_words

_SPEC_EXAMPLE: Final = 'write for example {"time_zone": "Europe/Madrid", "hours": {"mon-fri": "09:00-17:00"}}'
_HOURS_EXAMPLE: Final = "write for example '09:00-17:00', or ['09:00-13:00', '14:00-18:00']"
_RANGE: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})")
_MOST_OPENINGS: Final = 24


def calendar_from_spec(spec: Mapping[str, Any]) -> BusinessCalendar:
    """The calendar that a playbook describes; equal descriptions give the same object.

    ``spec`` has ``time_zone`` (an IANA name), ``hours`` (weekdays such as "mon", "mon-fri" or "sat, sun",
    each with "09:00-17:00", a list of such ranges, or "closed") and optionally ``holidays`` with ``country``,
    ``subdivision``, ``add`` and ``remove`` (dates, or "2026-12-24").
    Raises ValueError naming the key at fault and what would be right.
    """
    if not isinstance(spec, Mapping):
        raise ValueError(f"a calendar is a set of keys; {_SPEC_EXAMPLE}")
    try:
        key = json.dumps(spec, default=_plain, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        raise ValueError(f"a calendar holds only words, lists and dates; {_SPEC_EXAMPLE}") from None
    return _calendar(key)


def _plain(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


@lru_cache(maxsize=256)
def _calendar(key: str) -> BusinessCalendar:
    spec: dict[str, Any] = json.loads(key)
    _known_keys("", spec, ("time_zone", "hours", "holidays"))
    if not isinstance(spec.get("time_zone"), str):
        raise ValueError("time_zone: a calendar needs a time zone, for example 'Europe/Madrid'")
    try:
        find_zone(spec["time_zone"])
    except ValueError as error:
        raise ValueError(f"time_zone: {error}") from None
    hours = _hours(spec.get("hours"))
    closed = _holidays(spec.get("holidays") or {})
    try:
        return BusinessCalendar(spec["time_zone"], hours, closed)
    except ValueError as error:
        raise ValueError(f"hours: {error}") from None


def _known_keys(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            remedy = nearest_words(str(key), known, "use " + ", ".join(known))
            raise ValueError(f"{where}{key}: this is not known here{remedy}")


def _hours(given: object) -> dict[int, Openings]:
    if not isinstance(given, dict) or not given:
        raise ValueError(f"hours: a calendar needs opening hours by weekday; {_SPEC_EXAMPLE}")
    hours: dict[int, Openings] = {}
    for words, ranges in given.items():
        openings = _openings(f"hours.{words}", ranges)
        for day in _weekdays(words):
            if day in hours:
                raise ValueError(f"hours.{words}: {WEEKDAYS[day]} has hours already; give each weekday once")
            hours[day] = openings
    return hours


def _weekdays(words: str) -> list[int]:
    days: list[int] = []
    for part in words.split(","):
        first, dash, last = part.partition("-")
        start = _weekday(words, first)
        end = _weekday(words, last) if dash else start
        days.extend((start + step) % 7 for step in range((end - start) % 7 + 1))
    return days


def _weekday(words: str, word: str) -> int:
    name = word.strip().casefold()
    found = [index for index, day in enumerate(WEEKDAYS) if name in (day, day[:3])]
    if not found:
        raise ValueError(
            f"hours.{words}: '{word.strip()[:30]}' is not a weekday; "
            "write for example 'mon', 'mon-fri' or 'sat, sun'"
        )
    return found[0]


def _openings(key: str, given: object) -> Openings:
    if given == "closed":
        return ()
    ranges = given if isinstance(given, list) else [given]
    if len(ranges) > _MOST_OPENINGS:
        raise ValueError(f"{key}: a day can have {_MOST_OPENINGS} openings at most")
    return tuple(_opening(key, each) for each in ranges)


def _opening(key: str, given: object) -> tuple[time, time]:
    match = _RANGE.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None:
        raise ValueError(f"{key}: '{str(given)[:40]}' is not a range of hours; {_HOURS_EXAMPLE}")
    minutes = [int(hour) * 60 + int(minute) for hour, minute in (match.group(1, 2), match.group(3, 4))]
    if max(int(match.group(2)), int(match.group(4))) > 59 or minutes[0] >= 1440 or minutes[1] > 1440:
        raise ValueError(f"{key}: '{given}' is not a range of hours; a day runs from 00:00 to 24:00")
    if minutes[0] >= minutes[1]:
        raise ValueError(
            f"{key}: '{given}' ends before it begins; hours past midnight are written as two, "
            f"'{match.group(1)}:{match.group(2)}-24:00' and '00:00-…' on the next day"
        )
    opening, closing = (time(total // 60 % 24, total % 60) for total in minutes)
    return opening, closing


def _holidays(given: object) -> Holidays:
    if not isinstance(given, dict):
        raise ValueError('holidays: give a country, for example {"country": "ES", "subdivision": "MD"}')
    _known_keys("holidays.", given, ("country", "subdivision", "add", "remove"))
    country, subdivision = given.get("country"), given.get("subdivision")
    known = _countries()
    if country is False:
        raise ValueError("holidays.country: put the code in quotation marks; YAML reads a bare NO as false")
    if country is not None and (not isinstance(country, str) or country not in known):
        raise ValueError(
            f"holidays.country: '{str(country)[:30]}' is not a known country code"
            f"{nearest_words(str(country), tuple(known), 'use two capital letters, for example ES')}"
        )
    if subdivision is not None:
        if country is None:
            raise ValueError("holidays.subdivision: a subdivision needs its country beside it")
        if subdivision not in known[country]:
            raise ValueError(
                f"holidays.subdivision: '{str(subdivision)[:30]}' is not known for {country}; "
                f"use one of {', '.join(known[country]) or 'none: it has none'}"
            )
    added, removed = (_dates(key, given.get(key)) for key in ("add", "remove"))
    return Holidays(country, subdivision, added, removed)


@cache
def _countries() -> dict[str, list[str]]:
    return public_holidays.list_supported_countries()


def _dates(key: str, given: object) -> frozenset[date]:
    if not isinstance(given, list | None):
        raise ValueError(f"holidays.{key}: this is a list of dates, for example ['2026-12-24']")
    try:
        return frozenset(date.fromisoformat(each) for each in given or ())
    except (TypeError, ValueError):
        wrong = next(each for each in given or () if not _is_date(each))
        raise ValueError(
            f"holidays.{key}: '{str(wrong)[:30]}' is not a date; write for example '2026-12-24'"
        ) from None


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False
