"""What providers of SMS tell us, on record: what became of a message, and who wants no more of them."""

from __future__ import annotations

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db, insert_missing
from lifecycle.core.errors import NotFound
from lifecycle.core.ids import new_id
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.accounts.preferences import resume_sms, stop_sms
from lifecycle.records.inbox.record import tell
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.receipts import take_receipt
from lifecycle.records.outbox.refusals import note_stop
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.sms.models import SmsReply
from lifecycle.records.sms.providers import Receipt, Reply

_CHANNEL = "system"
_EVENTS = {"delivered": "card.message.delivered", "failed": "card.message.undelivered"}


def hear_receipt(provider: str, receipt: Receipt) -> bool:
    """Keep what became of an SMS, on record with its card; return whether it was news. The caller commits.

    Args:
        provider: who says it, and has signed it.
    """
    told = take_receipt(provider, receipt)
    if told is None:
        return False
    message, outcome = told
    _record(message, _EVENTS[outcome], receipt.why if outcome == "failed" else None)
    if receipt.is_stop:
        note_stop(message.id)
    return True


def hear_reply(provider: str, reply: Reply) -> bool:
    """Act on STOP and START from a number, for every contact who has it; return whether anything changed.

    Of anything else the owners of their accounts are told: nobody else would read it. The same answer again
    changes nothing, however much has happened since.
    """
    if reply.word == "other":
        return _pass_on(provider, reply)
    row = {
        "id": new_id(),
        "provider": provider,
        "provider_id": reply.provider_id,
        "word": reply.word,
        "received_at": now(),
    }
    if not insert_missing(SmsReply, [row], "provider", "provider_id"):
        return False
    contacts = db.session.scalars(
        sa.select(Contact)
        .where(_has_number(reply.digits))
        .order_by(Contact.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    if reply.word == "stop":
        changed = [stop_sms(each, because="They answered STOP.") for each in contacts]
    else:
        changed = [resume_sms(each, because="They answered START.") for each in contacts]
    return any(changed)


def _pass_on(provider: str, reply: Reply) -> bool:
    if not reply.text:
        return False
    rows = db.session.execute(
        sa.select(Contact.id, Contact.name, Account.owner_id)
        .join(Account, Account.id == Contact.account_id)
        .where(_has_number(reply.digits), Contact.archived_at.is_(None), Account.owner_id.is_not(None))
        .order_by(Contact.id)
    )
    told = 0
    for contact_id, name, owner_id in rows:
        assert owner_id is not None
        told += tell(
            [owner_id],
            title=f"{name} answered by SMS",
            body=reply.text,
            link=f"/contacts/{contact_id}",
            cause=f"sms/{provider}/{reply.provider_id}/{contact_id}",
        )
    return told > 0


def _has_number(digits: str) -> sa.ColumnElement[bool]:
    # An SMS goes to the number without its extension.
    number = sa.func.regexp_replace(Contact.phone, "[[:alpha:]#;].*$", "")
    return sa.func.regexp_replace(number, "[^0-9]", "", "g") == digits


def _record(message: OutboxMessage, kind: str, why: str | None) -> None:
    if message.card_id is None:
        return
    try:
        subject = get_subject(message.card_id)
    except NotFound:
        # Its import was withdrawn: nobody looks there any more.
        return
    data = {
        "message": message.id,
        "name": message.subject,
        "to": {"name": message.to_name or message.to_address, "phone": message.to_phone},
        "provider": message.provider,
    }
    record_card_event(subject, kind, SYSTEM, _CHANNEL, data, why)
