"""Deadlines, how near they are, and whose time it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Literal

from lifecycle.core.calendars import ALWAYS, BusinessCalendar
from lifecycle.core.durations import Duration
from lifecycle.governance.language.model import PlaybookDef, StageDef

SlaState = Literal["none", "on_track", "due_soon", "breached", "paused"]

# Without a `due_soon` of its own, a stage is due soon in the last quarter of its time.
DUE_SOON_FROM = 0.75


@dataclass(frozen=True)
class SlaView:
    """How a card stands against its deadline. `fraction` is the share of the time that is used, 0 to 1."""

    state: SlaState
    fraction: float
    remaining: timedelta


@dataclass(frozen=True)
class Span:
    """From one instant to another; `end` is None while it lasts."""

    start: datetime
    end: datetime | None


def calendar_of(playbook: PlaybookDef, stage: StageDef) -> BusinessCalendar:
    """Return the calendar a stage's times are counted in; round the clock when it names none."""
    return playbook.calendar_of(stage) or ALWAYS


def deadline(playbook: PlaybookDef, stage: StageDef, entered_at: datetime) -> datetime | None:
    """Return when a card that entered at `entered_at` must have left; None without an SLA."""
    if stage.sla is None or not stage.is_open:
        return None
    return calendar_of(playbook, stage).add(entered_at, stage.sla.duration)


def due_after(playbook: PlaybookDef, stage: StageDef, start: datetime, duration: Duration | None) -> datetime:
    """Return when something given `duration` is due; without one, the stage's own deadline or a day."""
    if duration is None and stage.sla is not None:
        duration = stage.sla.duration
    if duration is None:
        return start + timedelta(days=1)
    return calendar_of(playbook, stage).add(start, duration)


def resume(
    playbook: PlaybookDef, stage: StageDef, due_at: datetime, paused_at: datetime, resumed_at: datetime
) -> datetime:
    """Return the new deadline after a pause: what was left of the time begins to run again.

    A deadline that had passed before the pause stays passed.
    """
    if due_at <= paused_at:
        return due_at
    if stage.sla is None or not stage.sla.duration.business:
        return due_at + (resumed_at - paused_at)
    calendar = calendar_of(playbook, stage)
    minutes = ceil(calendar.between(paused_at, due_at).total_seconds() / 60)
    if minutes == 0:
        return max(due_at, resumed_at)
    return calendar.add(resumed_at, Duration(minutes, "minutes", business=True))


def view(
    playbook: PlaybookDef,
    stage: StageDef,
    entered_at: datetime,
    due_at: datetime | None,
    at: datetime,
    *,
    paused: bool,
) -> SlaView:
    """Return how the clock stands at `at`, counting from `entered_at` (see `clock_start`)."""
    if due_at is None:
        return SlaView("none", 0.0, timedelta())
    if paused:
        return SlaView("paused", 0.0, timedelta())
    if at >= due_at:
        return SlaView("breached", 1.0, due_at - at)
    calendar = calendar_of(playbook, stage)
    used = calendar.between(entered_at, at)
    left = calendar.between(at, due_at)
    whole = used + left
    fraction = used / whole if whole else 0.0
    return SlaView(
        "due_soon" if _is_due_soon(calendar, stage, at, due_at, fraction) else "on_track",
        fraction,
        due_at - at,
    )


def _is_due_soon(
    calendar: BusinessCalendar, stage: StageDef, at: datetime, due_at: datetime, fraction: float
) -> bool:
    if stage.sla is not None and stage.sla.due_soon is not None:
        return calendar.add(at, stage.sla.due_soon) >= due_at
    return fraction >= DUE_SOON_FROM


def clock_start(entered_at: datetime, card_created_at: datetime, *, is_imported: bool) -> datetime:
    """Return from when a visit's clock counts: an imported one from the import, not from years ago."""
    return max(entered_at, card_created_at) if is_imported else entered_at


def split_time(
    playbook: PlaybookDef, stage: StageDef, entered_at: datetime, left_at: datetime, pauses: Iterable[Span]
) -> tuple[int, int]:
    """Return the business seconds of a visit as (ours, the client's); the pauses are the client's."""
    calendar = calendar_of(playbook, stage)
    theirs = sum(
        (
            calendar.between(max(pause.start, entered_at), min(pause.end or left_at, left_at))
            for pause in pauses
            if pause.start < left_at
        ),
        timedelta(),
    )
    whole = calendar.between(entered_at, left_at)
    return int((whole - theirs).total_seconds()), int(theirs.total_seconds())
