"""`task`: create a task."""

from __future__ import annotations

from lifecycle.core.clock import now
from lifecycle.core.durations import parse_duration
from lifecycle.governance.automation.actions.base import CHANNEL, Performing
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.moves.assign import assignee_of
from lifecycle.governance.rules.actions import TaskParams
from lifecycle.governance.sla.clock import due_after
from lifecycle.records.inbox.record import tell
from lifecycle.work.tasks.record import add_task


def perform(doing: Performing, params: TaskParams) -> str:
    """Add the task to the card, and tell whoever has to do it."""
    subject = doing.subject
    due_at = due_after(subject.playbook, subject.stage, now(), parse_duration(params.due))
    assignee = assignee_of(params.assignee, subject.card.owner_id)
    task = add_task(subject.card.id, subject.visit.id, params.title, assignee_id=assignee, due_at=due_at)
    data = {"task": task.id, "what": task.title}
    record_card_event(subject, "card.task.added", doing.actor, CHANNEL, data)
    tell(
        [assignee],
        title=f"To do for {subject.account.name}: {params.title}",
        link=f"/cards/{subject.card.id}",
        cause=doing.cause,
        tone="act",
        card_id=subject.card.id,
    )
    return f"Task created: {params.title}."
