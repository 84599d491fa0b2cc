"""Mail: deliver what is due, and find again what a dead process left behind."""

from __future__ import annotations

from jobs.queues import TURN_SECONDS
from jobs.stopping import is_asked_to_stop
from lifecycle.core.db import transaction
from lifecycle.core.queue import URGENT, enqueue
from lifecycle.records.outbox import deliver

DELIVER_DUE = "jobs.outbox.deliver_due"


def deliver_due() -> int:
    """Send all mail that is due, and queue itself again when its turn is not enough; return how many."""
    sent, is_more_due = deliver.deliver_due(for_seconds=TURN_SECONDS, should_stop=is_asked_to_stop)
    if is_more_due:
        enqueue(URGENT, DELIVER_DUE)
    return sent


def sweep() -> int:
    """Settle what dead processes left, and queue a delivery when anything waits; return how much does."""
    with transaction():
        deliver.settle_abandoned()
    due = deliver.count_due()
    if due:
        enqueue(URGENT, DELIVER_DUE)
    return due
