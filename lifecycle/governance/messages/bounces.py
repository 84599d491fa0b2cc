"""Mail that came back after a server had taken it, on record with its message, card and contact (E14)."""

from __future__ import annotations

import sqlalchemy as sa

from lifecycle.core.db import db, transaction
from lifecycle.core.errors import NotFound
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.records.cards.models import Card
from lifecycle.records.inbox.record import tell
from lifecycle.records.outbox.delivery_reports import DeliveryReport
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.refusals import note_refused_address
from lifecycle.records.people.actor import SYSTEM

_WAS_TAKEN = ("sent", "unconfirmed")


def hear_delivery_report(report: DeliveryReport) -> bool:
    """Keep that a message came back or is late; return whether that is news about one of ours.

    Only a report that names a message of ours and the address it went to is believed. The same again changes
    nothing, and a message that has come back stays so. Must not be called inside a transaction.
    """
    with transaction():
        row = _find(report)
        if row is None or not _keep(row, report):
            return False
        message_id = row.id
    if report.is_about_the_address:
        # By itself: it holds the contact, which others hold before the messages to them.
        with transaction():
            note_refused_address(message_id, report.why)
    return True


def _find(report: DeliveryReport) -> OutboxMessage | None:
    return db.session.scalar(
        sa.select(OutboxMessage)
        .where(
            OutboxMessage.message_id == report.message_id,
            OutboxMessage.channel == "email",
            sa.func.lower(OutboxMessage.to_address).in_(report.recipients),
            OutboxMessage.state.in_(_WAS_TAKEN),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _keep(row: OutboxMessage, report: DeliveryReport) -> bool:
    if report.action == "delayed":
        said = f"Delayed: {report.why}"
        if row.last_error == said:
            return False
        row.last_error = said
        _record(row, "card.message.delayed", report.why)
        return True
    row.state, row.last_error = "failed", f"It came back: {report.why}"
    _record(row, "card.message.returned", report.why)
    if not report.is_about_the_address:
        _tell_owner(row, report.why)
    return True


def _tell_owner(row: OutboxMessage, why: str) -> None:
    owner_id = db.session.scalar(sa.select(Card.owner_id).where(Card.id == row.card_id))
    if owner_id is not None:
        tell(
            [owner_id],
            title=f"“{row.subject}” to {row.to_name or row.to_address} came back",
            body=why,
            link=f"/messages/{row.id}",
            cause=f"returned/{row.id}",
            tone="alert",
            card_id=row.card_id,
        )


def _record(row: OutboxMessage, kind: str, why: str) -> None:
    if row.card_id is None:
        return
    try:
        subject = get_subject(row.card_id)
    except NotFound:
        # Its import was withdrawn: nobody looks there any more.
        return
    data = {
        "message": row.id,
        "name": row.subject,
        "to": {"name": row.to_name or row.to_address, "email": row.to_address},
    }
    record_card_event(subject, kind, SYSTEM, "system", data, why)
