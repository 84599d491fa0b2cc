"""When a card's SLA calls for attention: due soon, missed, and missed for long (E11)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from lifecycle.core.durations import Duration
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import PlaybookDef, StageDef
from lifecycle.governance.language.reminders import moment_of
from lifecycle.governance.sla.clock import DUE_SOON_FROM, calendar_of
from lifecycle.records.cards.models import StageVisit
from lifecycle.records.reminders.record import ESCALATE, Plan

DUE_SOON: Final = "due soon"
BREACHED: Final = "missed"


def sla_subject(visit: StageVisit) -> str:
    """Return what the alerts of a stay are kept under: an undo's third visit goes on with the first one's."""
    return f"sla:{visit.continues_visit_id or visit.id}"


def sla_plans(subject: Subject) -> Iterator[Plan]:
    """Yield the alerts of the stay a card is in; none without an SLA, or while its clock stands still."""
    due = subject.card.sla_due_at
    if due is None or subject.card.is_paused or subject.stage.sla is None:
        return
    playbook, stage, name = subject.playbook, subject.stage, sla_subject(subject.visit)
    soon = due_soon_at(playbook, stage, subject.began_at, due)
    if soon < due:
        yield Plan("sla", name, DUE_SOON, soon, due)
    yield Plan("sla", name, BREACHED, due, due)
    if stage.escalate is not None:
        yield Plan("sla", name, ESCALATE, moment_of(stage.escalate, due, calendar_of(playbook, stage)), due)


def due_soon_at(playbook: PlaybookDef, stage: StageDef, began_at: datetime, due_at: datetime) -> datetime:
    """Return from when on a stay counts as due soon."""
    calendar = calendar_of(playbook, stage)
    assert stage.sla is not None
    if stage.sla.due_soon is not None:
        return calendar.subtract(due_at, stage.sla.due_soon)
    if not stage.sla.duration.business:
        return due_at - (due_at - began_at) * (1 - DUE_SOON_FROM)
    minutes = int(calendar.between(began_at, due_at) * (1 - DUE_SOON_FROM) / timedelta(minutes=1))
    if minutes < 1:
        return due_at
    return calendar.subtract(due_at, Duration(minutes, "minutes", business=True))
