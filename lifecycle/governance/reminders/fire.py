"""Firing what is due: each reminder in one transaction that holds its card.

A row that is taken, what it sends, and that it has fired commit together, so a restart neither drops nor
repeats one, and any number of processes may do this at once (R7). Of several that fell due while nobody was
there, the latest one speaks; those before it are marked as overtaken.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import NotFound
from lifecycle.core.killpoint import reach
from lifecycle.governance.cards.subjects import lock_subject
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.reminders import kinds
from lifecycle.governance.reminders.kinds import Outcome
from lifecycle.records.reminders.models import Reminder
from lifecycle.records.reminders.record import ESCALATE, EXPIRE

log = logging.getLogger(__name__)

_BATCH: Final = 100
_NOT_OVERTAKEN: Final = (ESCALATE, EXPIRE)


def fire_due(
    *, for_seconds: float = 60.0, should_stop: Callable[[], bool] = lambda: False
) -> tuple[int, bool]:
    """Settle what is due until nothing is, the time is over, or it should stop.

    Must not be called inside a transaction.

    Returns:
        how many were settled, and whether more may be due right now.
    """
    ends_at = time.monotonic() + for_seconds
    settled = 0
    failed: set[uuid.UUID] = set()
    while True:
        due = [row for row in _due() if row[0] not in failed]
        before = settled
        for reminder_id, card_id in due:
            if should_stop():
                return settled, False
            if time.monotonic() > ends_at:
                return settled, True
            try:
                settled += fire_one(reminder_id, card_id)
            except Exception:
                # It stays pending: the next round tries again, and the others are not held up.
                log.exception("reminder %s failed", reminder_id)
                failed.add(reminder_id)
        if settled == before:
            return settled, False


def count_due() -> int:
    """Return how many reminders wait right now."""
    query = sa.select(sa.func.count()).where(Reminder.state == "pending", Reminder.due_at <= now())
    return db.session.scalar(query) or 0


def _due() -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
    rows = db.session.execute(
        sa.select(Reminder.id, Reminder.card_id)
        .where(Reminder.state == "pending", Reminder.due_at <= now())
        .order_by(Reminder.due_at, Reminder.id)
        .limit(_BATCH)
    ).all()
    db.session.rollback()
    return [(reminder_id, card_id) for reminder_id, card_id in rows]


def fire_one(reminder_id: uuid.UUID, card_id: uuid.UUID) -> bool:
    """Settle one reminder if it is still to be settled; say whether it was."""
    try:
        with transaction():
            # The card first: whoever does what is reminded of holds it too, so the answer below is true.
            subject = lock_subject(card_id, writes_account=True)
            reminder = _take(reminder_id)
            if reminder is None:
                return False
            outcome = _judge(subject, reminder)
            reminder.state, reminder.outcome = outcome.state, outcome.says
            reminder.settled_at = now()
            reach("mid-reminder")
    except NotFound:
        with transaction():
            reminder = _take(reminder_id)
            if reminder is not None:
                reminder.state, reminder.settled_at = "cancelled", now()
                reminder.outcome = "The card was withdrawn with its import."
    return True


def _take(reminder_id: uuid.UUID) -> Reminder | None:
    return db.session.scalar(
        sa.select(Reminder)
        .where(Reminder.id == reminder_id, Reminder.state == "pending")
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _judge(subject: Subject, reminder: Reminder) -> Outcome:
    if subject.card.archived_at is not None:
        return Outcome("cancelled", "The card was archived.")
    if reminder.step not in _NOT_OVERTAKEN and _is_overtaken(reminder):
        return Outcome("skipped", "A later one was due already when this could be sent.")
    return kinds.KINDS[reminder.kind](subject, reminder)


def _is_overtaken(reminder: Reminder) -> bool:
    later = sa.select(Reminder.id).where(
        Reminder.subject == reminder.subject,
        Reminder.basis_at == reminder.basis_at,
        Reminder.step.not_in(_NOT_OVERTAKEN),
        Reminder.state == "pending",
        Reminder.due_at > reminder.due_at,
        Reminder.due_at <= now(),
    )
    return db.session.scalar(later.limit(1)) is not None
