"""Reminders: send what is due."""

from __future__ import annotations

from jobs.queues import TURN_SECONDS
from jobs.stopping import is_asked_to_stop
from lifecycle.core.queue import URGENT, enqueue
from lifecycle.governance.reminders import fire

FIRE_DUE = "jobs.reminders.fire_due"


def fire_due() -> int:
    """Settle every reminder that is due; queue itself again when its turn is not enough; return how many."""
    settled, is_more_due = fire.fire_due(for_seconds=TURN_SECONDS, should_stop=is_asked_to_stop)
    if is_more_due:
        enqueue(URGENT, FIRE_DUE)
    return settled


def sweep() -> int:
    """Queue a round when anything is due; return how much is."""
    due = fire.count_due()
    if due:
        enqueue(URGENT, FIRE_DUE)
    return due
