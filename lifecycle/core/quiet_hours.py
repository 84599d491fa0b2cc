"""Hours of the day in which somebody is left in peace, on the clock where they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def is_clock(text: str) -> bool:
    """Say whether `text` is a time of the day like `22:00`."""
    return _CLOCK.fullmatch(text) is not None


def quiet_end(at: datetime, zone: ZoneInfo, begins: str, ends: str) -> datetime | None:
    """Return when the quiet hours that `at` lies in are over, in UTC, or None if it lies in none.

    Where a clock change leaves a choice they begin earlier and end later, so that nobody is disturbed by one.

    Args:
        at: an aware instant.
        begins, ends: times like `22:00`; hours that end before they begin go over midnight.
    """
    today = at.astimezone(zone).date()
    first, last = time.fromisoformat(begins), time.fromisoformat(ends)
    for day in (today - timedelta(days=1), today):
        end_day = day + timedelta(days=1) if last <= first else day
        start = min(_instants(datetime.combine(day, first), zone))
        end = max(_instants(datetime.combine(end_day, last), zone))
        if start <= at < end:
            return end
    return None


def _instants(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return what a time on the wall means; an hour that a clock change doubles or skips has two meanings."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second
