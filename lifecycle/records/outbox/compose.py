"""Putting a message into the outbox, in the transaction of the change that owes it."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping
from datetime import datetime
from email.utils import parseaddr
from typing import Any

import sqlalchemy as sa
from flask import current_app

from lifecycle.core.clock import is_pretending, now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.core.ids import new_id
from lifecycle.core.queue import URGENT, enqueue_after_commit
from lifecycle.core.text import many_lines
from lifecycle.records.accounts.models import Contact
from lifecycle.records.accounts.preferences import quiet_until
from lifecycle.records.outbox.channels import choose_route
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.team_channels.queries import find_channel

_QUEUED = "lifecycle.outbox_is_queued"


def send_message(
    kind: str,
    *,
    to_address: str,
    to_name: str | None,
    subject: str,
    text: str,
    html: str | None,
    user_id: uuid.UUID | None = None,
    contact_id: uuid.UUID | None = None,
    card_id: uuid.UUID | None = None,
    visit_id: int | None = None,
    request_id: uuid.UUID | None = None,
    thread: str | None = None,
    reply_to: str | None = None,
    cause: str | None = None,
    resend_if_unsure: bool = False,
    send_after: datetime | None = None,
    sms: str | None = None,
    at_once: bool = False,
) -> OutboxMessage:
    """Owe somebody a message: it leaves after the open transaction commits, and never when it rolls back.

    Args:
        kind: what it is about, like `invitation`; for finding it again.
        to_address: one plain address.
        to_name, subject: control characters and line ends become spaces.
        text, html: the two bodies; secrets in them are placeholders (see `sealed.py`).
        contact_id: how they are reached, and their quiet hours, are theirs to choose.
        visit_id: the move that owes it; taking the move back cancels it while it is held.
        thread: messages with the same one are shown together by mail programs.
        reply_to: who reads an answer, if not the installation's own address.
        cause: what owes it; a second message for the same cause is not made.
        resend_if_unsure: send again, under the same Message-ID, when nobody knows whether it arrived.
        send_after: hold it until then; until then it can be cancelled.
        sms: what is sent to who prefers that; without it they get mail.
        at_once: they asked for it at this moment, so no quiet hours hold it.

    Raises:
        Invalid: the address could not stand in a header.
    """
    made = _made_for(cause)
    if made is not None:
        return made
    message_id = new_id()
    contact = db.session.get(Contact, contact_id) if contact_id is not None else None
    route = choose_route(contact, sms)
    leaves_at = send_after or now()
    quiet = quiet_until(contact, leaves_at) if contact is not None and not at_once else None
    message = OutboxMessage(
        id=message_id,
        kind=kind,
        to_address=_address(to_address),
        to_name=_one_line(to_name or "") or None,
        subject=_one_line(subject),
        text_body=text.replace("\0", ""),
        html_body=html.replace("\0", "") if html is not None else None,
        message_id=f"<{message_id}@{_own_domain()}>",
        state="held" if send_after or quiet else "due",
        resend_if_unsure=resend_if_unsure,
        next_attempt_at=quiet or leaves_at,
        channel=route.channel,
        to_phone=route.phone,
        sms_text=many_lines(sms) if sms else None,
        by_mail_because=route.because,
        at_once=at_once,
        quiet_until=quiet,
        user_id=user_id,
        contact_id=contact_id,
        card_id=card_id,
        visit_id=visit_id,
        request_id=request_id,
        thread=thread,
        reply_to=_address(reply_to) if reply_to else None,
        cause=cause,
        created_at=now(),
    )
    _put(message, leaves_at)
    return message


def send_to_channel(
    key: str,
    kind: str,
    *,
    subject: str,
    text: str,
    about: Mapping[str, Any],
    card_id: uuid.UUID | None = None,
    visit_id: int | None = None,
    cause: str | None = None,
    send_after: datetime | None = None,
) -> OutboxMessage | None:
    """Owe a channel of a team a message, as `send_message` owes one to a person.

    A channel that is not set up is owed it all the same: it may be when the message leaves, and if it is not
    the message says so. Of a past that is only told nothing is kept then, and None returned.

    Args:
        key: the channel, as playbooks name it.
        about: what it is about, for programs; its `link` is where people read more.
    """
    made = _made_for(cause)
    if made is not None:
        return made
    channel = find_channel(key)
    if channel is None and is_pretending():
        return None
    message_id = new_id()
    leaves_at = send_after or now()
    message = OutboxMessage(
        id=message_id,
        kind=kind,
        to_address=f"#{key}",
        to_name=channel.label if channel is not None else f"#{key}",
        subject=_one_line(subject),
        text_body=many_lines(text),
        message_id=f"<{message_id}@{_own_domain()}>",
        state="held" if send_after else "due",
        # Once, and only where the channel can tell that it has it already (`deliver.py`).
        resend_if_unsure=True,
        next_attempt_at=leaves_at,
        channel="team",
        team_key=key,
        provider=channel.kind if channel is not None else None,
        about=dict(about),
        card_id=card_id,
        visit_id=visit_id,
        cause=cause,
        created_at=now(),
    )
    _put(message, leaves_at)
    return message


def _made_for(cause: str | None) -> OutboxMessage | None:
    if cause is None:
        return None
    return db.session.scalar(sa.select(OutboxMessage).where(OutboxMessage.cause == cause))


def _put(message: OutboxMessage, leaves_at: datetime) -> None:
    db.session.add(message)
    if is_pretending():
        # It belongs to the past that is being told, and left then.
        message.state, message.attempts, message.sent_at = "sent", 1, leaves_at
        message.quiet_until = None
    elif message.state == "due" and not db.session.info.get(_QUEUED):
        # One job drains all that is due; many messages in one transaction need no more.
        enqueue_after_commit(URGENT, "jobs.outbox.deliver_due")
        db.session.info[_QUEUED] = True


def cancel_message(message_id: uuid.UUID) -> bool:
    """Take back a message that has not left; return False when it is too late."""
    return _take_back(OutboxMessage.id == message_id) == 1


def cancel_messages_of_visit(visit_id: int) -> int:
    """Take back every message that a move owes and that has not left; return how many."""
    return _take_back(OutboxMessage.visit_id == visit_id)


def cancel_messages_of_request(request_id: uuid.UUID) -> int:
    """Take back every message about a request that has not left; return how many."""
    return _take_back(OutboxMessage.request_id == request_id)


def _take_back(which: sa.ColumnElement[bool]) -> int:
    cancelled = db.session.scalars(
        sa.update(OutboxMessage)
        .where(which, OutboxMessage.state.in_(("held", "due")))
        .values(state="cancelled")
        .returning(OutboxMessage.id)
        .execution_options(synchronize_session=False)
    )
    return len(cancelled.all())


def _address(text: str) -> str:
    address = text.strip()
    visible = all(unicodedata.category(letter)[0] not in "CZ" for letter in address)
    if not visible or "@" not in address or any(letter in '<>,;:"()[]\\' for letter in address):
        raise Invalid(f"{_one_line(text)!r} is not an address that mail can be sent to.")
    return address


def _one_line(text: str) -> str:
    # A line end in a header would begin another header.
    return " ".join("".join(" " if unicodedata.category(x)[0] in "CZ" else x for x in text).split())


def _own_domain() -> str:
    sender = parseaddr(current_app.extensions["settings"].mail_from)[1]
    return sender.rpartition("@")[2] or "localhost"
