"""What a refused message tells about whom it is for: a dead address, or a number that wants no SMS.

Each in the open transaction, which should not be the one that settles the message: that holds the message
before its contact, and others hold a contact before the messages to them.
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.accounts.preferences import stop_sms
from lifecycle.records.cards.models import Card
from lifecycle.records.inbox.record import tell
from lifecycle.records.outbox.models import OutboxMessage


def note_stop(message_id: uuid.UUID) -> None:
    """Send the contact of a message no SMS any more: their number has asked the provider for that."""
    row = db.session.get_one(OutboxMessage, message_id)
    contact = _held_contact(row)
    if contact is not None:
        stop_sms(contact, because="Their number has asked the provider for no more SMS.")


def note_refused_address(message_id: uuid.UUID, why: str) -> None:
    """Keep that a contact's address takes no mail, and tell the owner of card or account, once an address."""
    row = db.session.get_one(OutboxMessage, message_id)
    contact = _held_contact(row)
    if contact is None or contact.mail_refused_at is not None or contact.email != row.to_address:
        return
    contact.mail_refused_at, contact.mail_refused_why = now(), why
    owner_id = _owner_of(row, contact)
    if owner_id is not None:
        tell(
            [owner_id],
            title=f"{contact.name}: their address takes no mail",
            body=f"{contact.email} was refused: {why}",
            link=f"/contacts/{contact.id}",
            cause=f"refused/{contact.id}/{contact.email}",
            tone="alert",
            card_id=row.card_id,
        )


def forget_refused_address(message_id: uuid.UUID) -> None:
    """Note that the address of a message's contact takes mail after all."""
    db.session.execute(
        sa.update(Contact)
        .where(
            Contact.id
            == sa.select(OutboxMessage.contact_id).where(OutboxMessage.id == message_id).scalar_subquery(),
            Contact.mail_refused_at.is_not(None),
        )
        .values(mail_refused_at=None, mail_refused_why=None)
        .execution_options(synchronize_session=False)
    )


def _held_contact(row: OutboxMessage) -> Contact | None:
    if row.contact_id is None:
        return None
    return db.session.get(
        Contact, row.contact_id, populate_existing=True, with_for_update={"key_share": True}
    )


def _owner_of(row: OutboxMessage, contact: Contact) -> uuid.UUID | None:
    card = db.session.get(Card, row.card_id) if row.card_id is not None else None
    if card is not None:
        return card.owner_id
    return db.session.scalar(sa.select(Account.owner_id).where(Account.id == contact.account_id))
