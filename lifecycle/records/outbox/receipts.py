"""What a provider says became of an SMS, kept with the message: in any order and any number of times."""

from __future__ import annotations

import uuid
from typing import Final, Literal

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.queue import URGENT, enqueue_after_commit
from lifecycle.records.outbox.deliver import fail
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.sms.providers import Receipt

# Where the answer to a hand-over has not come, or not yet: a receipt says that it was taken.
_UNTOLD: Final = ("due", "claimed", "handing_over", "unconfirmed")
_MAY_FAIL: Final = ("handing_over", "sent", "unconfirmed")


def take_receipt(
    provider: str, receipt: Receipt
) -> tuple[OutboxMessage, Literal["delivered", "failed"]] | None:
    """Keep what a receipt says; return its message and what is new about it, None if nothing is.

    Delivered is the last word. What failed goes by mail. A receipt about what never was an SMS of ours, or is
    one no longer, changes nothing.
    """
    row = _find(provider, receipt)
    if row is None or row.channel != "sms" or row.attempts <= row.attempts_before:
        return None
    if receipt.outcome == "failed":
        if row.state not in _MAY_FAIL or row.delivered_at is not None:
            return None
        row.provider, row.provider_id = provider, receipt.provider_id
        fail(row, receipt.why)
        enqueue_after_commit(URGENT, "jobs.outbox.deliver_due")
        return row, "failed"
    if row.state in _UNTOLD:
        row.provider, row.provider_id = provider, receipt.provider_id
        row.state, row.sent_at, row.last_error = "sent", row.sent_at or now(), None
    if receipt.outcome == "sent" or row.state != "sent" or row.delivered_at is not None:
        return None
    row.delivered_at = now()
    return row, "delivered"


def _find(provider: str, receipt: Receipt) -> OutboxMessage | None:
    """Return the message a receipt is about, held until the transaction ends."""
    which: list[sa.ColumnElement[bool]]
    by_theirs = sa.and_(OutboxMessage.provider == provider, OutboxMessage.provider_id == receipt.provider_id)
    if receipt.key is None:
        which = [by_theirs]
    else:
        try:
            key = uuid.UUID(receipt.key)
        except ValueError:
            return None
        # Of two attempts only the later one is known; what is said of the other comes too late.
        which = [OutboxMessage.id == key, sa.or_(OutboxMessage.provider_id.is_(None), by_theirs)]
    return db.session.scalar(
        sa.select(OutboxMessage)
        .where(*which)
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
