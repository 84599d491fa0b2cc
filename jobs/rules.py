"""Rules: perform what is due, and set off those that wait for a time."""

from __future__ import annotations

from jobs.queues import TURN_SECONDS
from jobs.stopping import is_asked_to_stop
from lifecycle.core.db import transaction
from lifecycle.core.queue import URGENT, enqueue
from lifecycle.governance.automation import perform
from lifecycle.governance.automation.timed import set_off_timed_rules

PERFORM_DUE = "jobs.rules.perform_due"


def perform_due() -> int:
    """Perform every firing that is due; queue itself again when its turn is not enough; return how many."""
    done, is_more_due = perform.perform_due(for_seconds=TURN_SECONDS, should_stop=is_asked_to_stop)
    if is_more_due:
        enqueue(URGENT, PERFORM_DUE)
    return done


def sweep() -> int:
    """Queue a performing when anything waits, whoever forgot it; return how much does."""
    with transaction():
        perform.allow_for_a_clock_set_back()
    due = perform.count_due()
    if due:
        enqueue(URGENT, PERFORM_DUE)
    return due


def set_off_timed() -> int:
    """Set off the rules whose time has come; return how many firings are new."""
    return set_off_timed_rules()
