"""Messages that wait out their contact's quiet hours, when these change or somebody will not wait."""

from __future__ import annotations

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.queue import URGENT, enqueue_after_commit
from lifecycle.records.accounts.models import Contact
from lifecycle.records.accounts.preferences import quiet_until
from lifecycle.records.outbox.deliver import LONGEST_HOLD
from lifecycle.records.outbox.models import OutboxMessage


def reckon_quiet_hours_anew(contact: Contact) -> None:
    """Let what waits out a contact's quiet hours wait for the end of those they have now, if any."""
    rows = db.session.scalars(
        sa.select(OutboxMessage)
        .where(
            OutboxMessage.contact_id == contact.id,
            OutboxMessage.state.in_(("held", "due")),
            OutboxMessage.quiet_until.is_not(None),
        )
        .order_by(OutboxMessage.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for row in rows:
        reckon_anew(row, contact)
    if rows:
        enqueue_after_commit(URGENT, "jobs.outbox.deliver_due")


def reckon_anew(row: OutboxMessage, contact: Contact | None) -> None:
    """Give a waiting message the time it leaves: once its move cannot be undone, and not in quiet hours.

    Args:
        contact: whose quiet hours count; None: nobody's.
    """
    leaves_at = max(now(), row.created_at + LONGEST_HOLD) if row.visit_id is not None else now()
    quiet = quiet_until(contact, leaves_at) if contact is not None else None
    row.quiet_until, row.next_attempt_at = quiet, quiet or leaves_at
