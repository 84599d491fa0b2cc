"""Working time, counted both ways: when an office hour comes, and when it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from lifecycle.core.calendars import BusinessCalendar
from lifecycle.core.durations import Duration

_SECOND = timedelta(seconds=1)


class OfficeHours:
    """A calendar asked in office hours; a working day has eight and a half of them."""

    DAY = 8.5

    def __init__(self, calendar: BusinessCalendar) -> None:
        self._calendar = calendar

    def after(self, start: datetime, hours: float) -> datetime:
        """Return the moment `hours` of office time after `start`, while the office is open."""
        minutes = max(1, round(hours * 60))
        return self._calendar.add(start, Duration(minutes, "minutes", business=True))

    def before(self, end: datetime, hours: float) -> datetime:
        """Return the latest moment from which `hours` of office time pass until `end`."""
        wanted = timedelta(hours=hours)
        low, high = end - timedelta(days=4 + ceil(hours / self.DAY) * 2), end
        while self._calendar.between(low, end) < wanted:
            low -= timedelta(days=14)
        while high - low > _SECOND:
            middle = low + (high - low) / 2
            if self._calendar.between(middle, end) >= wanted:
                low = middle
            else:
                high = middle
        return low.replace(microsecond=0)

    def within(self, moment: datetime) -> datetime:
        """Return `moment`, or when the office opens next."""
        return moment if self._calendar.is_open(moment) else self._calendar.next_open(moment)
