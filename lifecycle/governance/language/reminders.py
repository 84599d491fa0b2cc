"""Times around something that is due: "2 business days before", "on due", "1 day after"."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lifecycle.core.calendars import BusinessCalendar
from lifecycle.core.durations import parse_duration
from lifecycle.governance.language.model import ReminderStep

ON_DUE: Final = "on due"


def parse_step(words: str) -> ReminderStep:
    """Return the time that words say; raises ValueError with a sentence for an author."""
    text = " ".join(words.split()).lower()
    if text == ON_DUE:
        return ReminderStep(ON_DUE)
    length, _, side = text.rpartition(" ")
    if side not in ("before", "after") or not length:
        raise ValueError(
            f"'{words[:40]}' is not a time; write for example 'on due' or '2 business days before'"
        )
    offset = parse_duration(length)
    return ReminderStep(f"{offset} {side}", offset, side == "before")


def moment_of(step: ReminderStep, due_at: datetime, calendar: BusinessCalendar) -> datetime:
    """Return the instant of a step around `due_at`, counted in `calendar`, also across clock changes."""
    if step.offset is None:
        return due_at
    if step.is_before:
        return calendar.subtract(due_at, step.offset)
    return calendar.add(due_at, step.offset)
