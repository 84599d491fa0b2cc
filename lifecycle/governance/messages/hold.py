"""What a person does about a message before it leaves, and sending it again afterwards (E14, E27).

Each function locks the message and compares its state, so that of a person and a deliverer who reach for it
at once one comes first and the other is told. Each is evidence on the card's account.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid, NotFound
from lifecycle.core.ids import new_id
from lifecycle.core.queue import URGENT, enqueue_after_commit
from lifecycle.core.text import one_line
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.compose import send_message, send_to_channel
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.quiet import reckon_anew
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import require
from lifecycle.work.client_requests.models import ClientLink

LONGEST_LINE: Final = 500
CHANNEL: Final = "page"
WAITING: Final = ("held", "due")
"""In these nobody has begun to send it."""
ON_ITS_WAY: Final = (*WAITING, "claimed", "handing_over")

_DELIVER: Final = "jobs.outbox.deliver_due"
# A line that is taken for a secret's place would be filled in with the secret (records/outbox/sealed.py).
_SEALED: Final = re.compile(r"\[\[\s*token")
_CLIENT_LINK: Final = re.compile(r"\[\[token:client_links/([0-9a-f-]{36})/[0-9a-f]{16}\]\]")
_TOO_LATE: Final = {
    "claimed": "It is being sent at this moment. Nothing was changed.",
    "handing_over": "It is being sent at this moment. Nothing was changed.",
    "sent": "It has left already. Nothing was changed.",
    "failed": "It could not be sent, and nobody tries any more. Send it again instead.",
    "unconfirmed": "It may have left: nobody knows whether it arrived. Nothing was changed.",
    "cancelled": "It was cancelled, so it does not leave at all. Nothing was changed.",
}


def hold_message(message_id: uuid.UUID, actor: Actor) -> OutboxMessage:
    """Hold a message back until somebody lets it go; holding it twice is holding it.

    Raises:
        NotFound, NotPermitted; Conflict: it has left, is leaving, or somebody else holds it.
    """
    if actor.user_id is None:
        raise ValueError("Only a person can hold a message.")
    message = _waiting(message_id, actor)
    if message.held_by is None:
        message.held_by = actor.user_id
        _record(message, "card.message.held", actor)
    elif message.held_by != actor.user_id:
        raise Conflict(f"{_name_of(message.held_by)} holds it already. Nothing was changed.")
    return message


def release_message(message_id: uuid.UUID, actor: Actor) -> OutboxMessage:
    """Let a held message go: at once, or when its undo window ends.

    Raises:
        NotFound, NotPermitted; Conflict: it has left, is leaving, or nobody holds it.
    """
    message = _waiting(message_id, actor)
    if message.held_by is None:
        raise Conflict("Nobody holds it any more. Nothing was changed.")
    message.held_by = None
    _record(message, "card.message.released", actor)
    if message.next_attempt_at <= now():
        enqueue_after_commit(URGENT, _DELIVER)
    return message


def cancel_waiting(message_id: uuid.UUID, actor: Actor) -> OutboxMessage:
    """Take a message back for good; what it speaks of stays as it is.

    Raises:
        NotFound, NotPermitted; Conflict: it has left or is leaving.
    """
    message = _waiting(message_id, actor)
    message.state = "cancelled"
    _record(message, "card.message.cancelled", actor)
    return message


def send_now(message_id: uuid.UUID, actor: Actor) -> OutboxMessage:
    """Send a message that waits out its contact's quiet hours in spite of them; an undo is still waited for.

    Raises:
        NotFound, NotPermitted; Conflict: it has left or is leaving, somebody holds it, or no quiet hours do.
    """
    message = _waiting(message_id, actor)
    if message.held_by is not None:
        raise Conflict(f"{_name_of(message.held_by)} holds it. Let it go first; nothing was changed.")
    if message.quiet_until is None:
        raise Conflict("No quiet hours hold it any more. Nothing was changed.")
    message.at_once = True
    reckon_anew(message, None)
    _record(message, "card.message.hurried", actor)
    if message.next_attempt_at <= now():
        enqueue_after_commit(URGENT, _DELIVER)
    return message


def write_line(message_id: uuid.UUID, actor: Actor, text: str) -> OutboxMessage:
    """Put one line of plain text on top of a message, in the place of an earlier one; no text takes it away.

    Raises:
        NotFound, NotPermitted; Conflict: it has left or is leaving; Invalid: too long, or nothing to do.
    """
    line = one_line(text)
    if len(line) > LONGEST_LINE:
        sentence = f"A line may have {LONGEST_LINE} characters; this has {len(line):,}."
        raise Invalid(sentence, {"line": sentence})
    if _SEALED.search(line):
        sentence = "A line cannot hold what stands for a link. Write it without “[[token”."
        raise Invalid(sentence, {"line": sentence})
    message = _waiting(message_id, actor)
    before = message.added_line
    if not line and before is None:
        raise Invalid("Write the line first.", {"line": "Write the line first."})
    if line == before:
        return message
    message.added_line, message.added_by = line or None, actor.user_id if line else None
    changes = {"added_line": {"name": "Added line", "before": before, "after": line or None}}
    kind = "card.message.line_added" if line else "card.message.line_removed"
    _record(message, kind, actor, {"changes": changes})
    return message


def send_again(message_id: uuid.UUID, actor: Actor) -> OutboxMessage:
    """Send a message that has left, or never will, once more: a new one with the same content and address.

    Raises:
        NotFound, NotPermitted; Conflict: it still waits, is being sent again already, its links open nothing
            any more, or whom it goes to is gone.
    """
    message = _held_for(message_id, actor)
    if message.state in ON_ITS_WAY:
        raise Conflict("It has not left yet. Nothing was changed.")
    _require_no_other(message)
    _require_worth_sending(message)
    made = _once_more(message)
    made.resent_from = message.id
    made.added_line, made.added_by = message.added_line, message.added_by
    _record(message, "card.message.resent", actor, {"resent_as": made.id})
    return made


def _once_more(message: OutboxMessage) -> OutboxMessage:
    cause = f"resend/{new_id()}"
    if message.team_key is not None:
        made = send_to_channel(
            message.team_key,
            message.kind,
            subject=message.subject,
            text=message.text_body,
            about=message.about or {},
            card_id=message.card_id,
            cause=cause,
        )
        assert made is not None, "nobody sends again in a past that is only told"
        return made
    return send_message(
        message.kind,
        to_address=message.to_address,
        to_name=message.to_name,
        subject=message.subject,
        text=message.text_body,
        html=message.html_body,
        user_id=message.user_id,
        contact_id=message.contact_id,
        card_id=message.card_id,
        request_id=message.request_id,
        thread=message.thread,
        reply_to=message.reply_to,
        sms=message.sms_text,
        cause=cause,
    )


def _held_for(message_id: uuid.UUID, actor: Actor) -> OutboxMessage:
    """Return a message about a card, locked until the transaction ends, as the database has it now."""
    require(actor, "cards.edit")
    message = db.session.scalar(
        sa.select(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.card_id.is_not(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if message is None:
        raise NotFound("There is no such message about a card.")
    return message


def _waiting(message_id: uuid.UUID, actor: Actor) -> OutboxMessage:
    message = _held_for(message_id, actor)
    if message.state not in WAITING:
        raise Conflict(_TOO_LATE[message.state])
    return message


def _require_no_other(message: OutboxMessage) -> None:
    other = db.session.scalar(
        sa.select(OutboxMessage.id)
        .where(
            OutboxMessage.card_id == message.card_id,
            OutboxMessage.resent_from == message.id,
            OutboxMessage.state.in_(ON_ITS_WAY),
        )
        .limit(1)
    )
    if other is not None:
        raise Conflict("It is being sent again already. Nothing was changed.")


def _require_worth_sending(message: OutboxMessage) -> None:
    for link_id in {uuid.UUID(found) for found in _CLIENT_LINK.findall(message.text_body)}:
        link = db.session.get(ClientLink, link_id, populate_existing=True)
        if link is None or link.revoked_at is not None or link.expires_at <= now():
            raise Conflict(
                "Its link opens nothing any more. Ask the client again instead; that makes a new one."
            )
    if message.contact_id is not None:
        contact = db.session.get(Contact, message.contact_id, populate_existing=True)
        if contact is None or contact.archived_at is not None:
            raise Conflict(f"{message.to_name or message.to_address} is archived among the contacts.")
    if message.user_id is not None:
        user = db.session.get(User, message.user_id, populate_existing=True)
        if user is None or not user.is_active:
            raise Conflict(f"{message.to_name or message.to_address} does not work here any more.")


def _record(message: OutboxMessage, kind: str, actor: Actor, more: dict[str, Any] | None = None) -> None:
    assert message.card_id is not None
    is_team = message.team_key is not None
    whom = {"channel" if is_team else "email": message.to_address}
    data = {
        "message": message.id,
        "name": message.subject,
        "to": {"name": message.to_name or message.to_address, **whom},
        **(more or {}),
    }
    record_card_event(get_subject(message.card_id), kind, actor, CHANNEL, data)


def _name_of(user_id: uuid.UUID) -> str:
    return db.session.scalar(sa.select(User.name).where(User.id == user_id)) or "Somebody"
