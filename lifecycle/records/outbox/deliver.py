"""Delivering what is due, each message in short transactions of its own.

claim -> connect -> commit `handing_over` -> DATA -> `sent`. Whatever dies on the way leaves a state that
tells how far it got: before `handing_over` it is tried again, after it nobody knows (`settle_abandoned`).
Every step compares state and attempt, so that of two processes holding one message only one goes on.

An SMS goes the same way: claim -> connect -> commit `handing_over` -> the request -> `sent`. What cannot go
as one, or is refused as one for good, goes by mail.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from flask_mail import BadHeaderError
from markupsafe import escape

from lifecycle.core.clock import CLOCKS_DIFFER, now
from lifecycle.core.db import db, transaction
from lifecycle.core.killpoint import reach
from lifecycle.core.living import is_living, living
from lifecycle.records.accounts.models import Contact
from lifecycle.records.accounts.preferences import quiet_until
from lifecycle.records.mailer import AddressRefused, Connection, Message, Refused, Unreachable, Unsure, mail
from lifecycle.records.outbox.channels import as_text, go_by_mail, settle_route
from lifecycle.records.outbox.models import CHANNELS, OutboxMessage
from lifecycle.records.outbox.refusals import forget_refused_address, note_refused_address, note_stop
from lifecycle.records.outbox.sealed import fill_in
from lifecycle.records.sms.posting import TextRefused
from lifecycle.records.sms.providers import Text, find_provider

log = logging.getLogger(__name__)

# How long after each failed attempt the next one comes; after the last the message has failed.
DELAYS = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
)
# Older than this, whoever held the message is gone, unless the database knows that they live: a clock may
# have leapt forward. Handing over takes a minute at most (see `mailer.py`).
CLAIM_LASTS = timedelta(seconds=30)
HAND_OVER_LASTS = timedelta(seconds=100)
# The minute of undo; nothing else holds a message by time (what a person holds has `held_by`).
LONGEST_HOLD = timedelta(seconds=60)
# Where the frame of a letter lets a line in (templates/emails/layout.html).
ADDED_LINE_PLACE = "<!-- added line -->"
# As long as a failed attempt waits at first, so that a clock set back is allowed for alike.
_RECEIPT_COMES_WITHIN = DELAYS[0]
_LEFT_UNSURE = "The connection was lost after the message was handed over."


@dataclass(frozen=True)
class _Claimed:
    """A message that is ours while `attempt` is its latest."""

    id: uuid.UUID
    attempt: int
    message: Message | Text


class _NotOurs(Exception):
    """Somebody else holds the message now."""


def deliver_due(
    *, for_seconds: float = 60.0, should_stop: Callable[[], bool] = lambda: False
) -> tuple[int, bool]:
    """Send what is due until nothing is, the time is over, nobody can be reached, or it should stop.

    Mail goes first; an unreachable mail server or provider of SMS does not keep the other from what is its.

    Any number of processes may do this at once. Must not be called inside a transaction.

    Returns:
        how many were sent, and whether more may be due right now.
    """
    ends_at = time.monotonic() + for_seconds
    sent = 0
    with living() as deliverer, ExitStack() as connections:
        connection: Connection | None = None
        channels = list(CHANNELS)
        while channels and not should_stop():
            if time.monotonic() > ends_at:
                return sent, True
            claimed = _claim(deliverer, channels)
            if claimed is None:
                return sent, False
            is_sms = isinstance(claimed.message, Text)
            try:
                if not is_sms:
                    connection = connection or connections.enter_context(mail.connect())
                _hand_over(claimed, connection)
            except Unreachable as error:
                _give_back(claimed, str(error))
                log.warning("%s cannot be sent now: %s", "SMS" if is_sms else "mail", error)
                channels.remove("sms" if is_sms else "email")
            except (_NotOurs, Unsure, Refused, BadHeaderError, ValueError) as error:
                _settle(claimed, error)
                if not is_sms:
                    # Where a conversation broke off, the next message begins a new one.
                    connections.close()
                    connection = None
                elif isinstance(error, Unsure):
                    # Each waits for long; the next ones get their turn when the provider may be quicker.
                    channels.remove("sms")
            else:
                sent += 1
    return sent, bool(channels)


def count_due() -> int:
    """Return how many messages wait for a deliverer right now."""
    return db.session.scalar(sa.select(sa.func.count()).where(*_waits_for_us())) or 0


def settle_abandoned() -> int:
    """Settle messages whose deliverer died; return how many. Needs an open transaction.

    Whoever lives is left alone, however long it seems to have taken.

    What a clock has stamped that was set back since is given its time anew first. Then, claimed only: tried
    again. Being handed over: sent again once under the same Message-ID where the message allows it, else
    `unconfirmed` and left to a person.
    """
    _allow_for_a_clock_set_back()
    abandoned = db.session.scalars(
        sa.select(OutboxMessage)
        .where(
            sa.or_(
                sa.and_(OutboxMessage.state == "claimed", OutboxMessage.claimed_at < now() - CLAIM_LASTS),
                sa.and_(
                    OutboxMessage.state == "handing_over", OutboxMessage.claimed_at < now() - HAND_OVER_LASTS
                ),
            )
        )
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    alone = [message for message in abandoned if not (message.claimed_by and is_living(message.claimed_by))]
    for message in alone:
        if message.state == "handing_over":
            _become_unsure(message, "Whoever sent it ended before the answer came.")
        else:
            _become_due_again(message, "Whoever was about to send it ended.", at_once=message.attempts <= 2)
    return len(alone)


def _allow_for_a_clock_set_back() -> None:
    """Count from now what a clock counted that has been set back since: nobody waits for it to catch up."""
    at, row = now(), OutboxMessage
    soon = at + CLOCKS_DIFFER
    # The end of quiet hours is a time on somebody's wall, whatever our clock said when it was worked out.
    is_counted = row.quiet_until.is_distinct_from(row.next_attempt_at)
    waits = (row.state.in_(("due", "held")), row.next_attempt_at > soon, is_counted)
    tries = row.attempts - row.attempts_before
    _stamp(*waits, tries == 0, row.state == "due", next_attempt_at=at)
    longest = at + LONGEST_HOLD
    _stamp(*waits, row.state == "held", row.next_attempt_at > soon + LONGEST_HOLD, next_attempt_at=longest)
    for attempts, delay in enumerate(DELAYS, 1):
        is_last = attempts == len(DELAYS)
        tried = tries >= attempts if is_last else tries == attempts
        _stamp(*waits, tried, row.next_attempt_at > soon + delay, next_attempt_at=at + delay)
    # Whoever holds these may be alive: they are given all the time there is.
    _stamp(row.state.in_(("claimed", "handing_over")), row.claimed_at > soon, claimed_at=at)


def _stamp(*which: sa.ColumnElement[bool], **values: object) -> None:
    db.session.execute(
        sa.update(OutboxMessage).where(*which).values(**values).execution_options(synchronize_session=False)
    )


def _waits_for_us() -> tuple[sa.ColumnElement[bool], ...]:
    return (
        OutboxMessage.state.in_(("due", "held")),
        OutboxMessage.next_attempt_at <= now(),
        OutboxMessage.held_by.is_(None),
    )


def _claim(deliverer: int, channels: Sequence[str] = CHANNELS) -> _Claimed | None:
    while True:
        with transaction():
            row = next(filter(None, map(_next_due, channels)), None)
            if row is None:
                return None
            contact = (
                db.session.get(Contact, row.contact_id, populate_existing=True) if row.contact_id else None
            )
            settle_route(row, contact)
            if row.channel not in channels or _waits_out_quiet_hours(row, contact):
                continue
            row.state = "claimed"
            row.claimed_at = now()
            row.claimed_by = deliverer
            row.attempts += 1
        return _Claimed(row.id, row.attempts, as_text(row) if row.channel == "sms" else _as_mail(row))


def _next_due(channel: str) -> OutboxMessage | None:
    return db.session.scalar(
        sa.select(OutboxMessage)
        .where(*_waits_for_us(), OutboxMessage.channel == channel)
        .order_by(OutboxMessage.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _waits_out_quiet_hours(row: OutboxMessage, contact: Contact | None) -> bool:
    """Put off what came due in its contact's quiet hours, as they are now; say whether it was."""
    quiet = quiet_until(contact, now()) if contact is not None and not row.at_once else None
    if quiet is None:
        return False
    row.quiet_until = row.next_attempt_at = quiet
    return True


def _hand_over(claimed: _Claimed, connection: Connection | None) -> None:
    reach("claimed")
    taken = _give(claimed, connection)
    reach("after 250")
    with transaction():
        # The sweeper may have given up on us; now it is known.
        _change(
            claimed,
            from_states=("handing_over", "unconfirmed"),
            state="sent",
            sent_at=now(),
            last_error=None,
            **taken,
        )
        if isinstance(claimed.message, Message):
            forget_refused_address(claimed.id)


def _give(claimed: _Claimed, connection: Connection | None) -> dict[str, str | None]:
    """Hand a message over; return under what whoever took it knows it."""

    def before() -> None:
        _begin_handing_over(claimed)

    if isinstance(claimed.message, Text):
        provider = find_provider()
        if provider is None:
            raise Unreachable("No provider of SMS is set up.")
        return {"provider": provider.name, "provider_id": provider.hand_over(claimed.message, before)}
    if connection is None:
        raise Unreachable("Not connected.")
    connection.hand_over(claimed.message, before_data=before)
    return {}


def _begin_handing_over(claimed: _Claimed) -> None:
    with transaction():
        if not _change(claimed, from_states=("claimed",), state="handing_over", claimed_at=now()):
            raise _NotOurs
    reach("before DATA")


def _settle(claimed: _Claimed, error: Exception) -> None:
    if isinstance(error, _NotOurs):
        log.warning("message %s was taken over by somebody else", claimed.id)
    elif isinstance(error, Unsure):
        _settle_unsure(claimed, str(error))
    elif isinstance(error, Refused):
        _give_back(claimed, str(error), is_final=error.is_final)
        _learn(claimed, error)
    else:
        _give_back(claimed, f"It cannot be put into a valid message: {error!r}", is_final=True)


def _learn(claimed: _Claimed, refusal: Refused) -> None:
    """Keep what a refusal says about whom the message is for; the message itself is settled already."""
    if isinstance(refusal, AddressRefused):
        with transaction():
            note_refused_address(claimed.id, str(refusal))
    elif isinstance(refusal, TextRefused) and refusal.is_stop:
        with transaction():
            note_stop(claimed.id)


def _give_back(claimed: _Claimed, why: str, *, is_final: bool = False) -> None:
    with transaction():
        row = _ours(claimed)
        if row is not None:
            _become_due_again(row, why, is_final=is_final)


def _settle_unsure(claimed: _Claimed, why: str) -> None:
    with transaction():
        row = _ours(claimed)
        if row is not None:
            _become_unsure(row, f"{_LEFT_UNSURE} {why}")


def _become_due_again(row: OutboxMessage, why: str, *, is_final: bool = False, at_once: bool = False) -> None:
    row.last_error = why
    tries = row.attempts - row.attempts_before
    if is_final or tries > len(DELAYS):
        fail(row, why)
        return
    row.state = "due"
    row.next_attempt_at = now() + (timedelta() if at_once else DELAYS[tries - 1])


def fail(row: OutboxMessage, why: str) -> None:
    """Give a message up for good: a mail has failed then, and what was no SMS goes by mail."""
    row.last_error = why
    if row.channel == "sms":
        go_by_mail(row, f"The SMS failed: {why}")
        row.state, row.next_attempt_at = "due", now()
        log.warning("message %s (%s) goes by mail, its SMS failed: %s", row.id, row.kind, why)
        return
    row.state = "failed"
    log.error("message %s (%s) failed for good: %s", row.id, row.kind, why)


def _become_unsure(row: OutboxMessage, why: str) -> None:
    row.last_error = why
    if row.resend_if_unsure:
        # Once: the permission is used up. A receipt may yet tell that an SMS was taken (`receipts.py`).
        row.resend_if_unsure = False
        row.state = "due"
        row.next_attempt_at = now() + (_RECEIPT_COMES_WITHIN if row.channel == "sms" else timedelta())
    else:
        row.state = "unconfirmed"
        log.error("message %s (%s) is unconfirmed: %s", row.id, row.kind, why)


def _ours(claimed: _Claimed) -> OutboxMessage | None:
    return db.session.scalar(
        sa.select(OutboxMessage)
        .where(OutboxMessage.id == claimed.id, OutboxMessage.attempts == claimed.attempt)
        .where(OutboxMessage.state.in_(("claimed", "handing_over")))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _change(claimed: _Claimed, *, from_states: tuple[str, ...], **values: object) -> bool:
    changed = db.session.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.id == claimed.id, OutboxMessage.attempts == claimed.attempt)
        .where(OutboxMessage.state.in_(from_states))
        .values(**values)
        .returning(OutboxMessage.id)
        .execution_options(synchronize_session=False)
    )
    return changed.scalar_one_or_none() is not None


def _as_mail(row: OutboxMessage) -> Message:
    headers = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    if row.thread is not None:
        # One made-up first message for the whole thread: mail programs gather what answers the same one.
        domain = row.message_id.rpartition("@")[2].rstrip(">")
        headers["References"] = headers["In-Reply-To"] = f"<{row.thread}@{domain}>"
    text, html = with_added_line(row)
    message = Message(
        subject=row.subject,
        recipients=[(row.to_name, row.to_address) if row.to_name else row.to_address],
        body=fill_in(text),
        html=fill_in(html) if html is not None else None,
        date=now().timestamp(),
        reply_to=row.reply_to,
        extra_headers=headers,
    )
    message.msgId = row.message_id
    return message


def with_added_line(row: OutboxMessage) -> tuple[str, str | None]:
    """Return text and HTML of a message with the line that somebody added on top (E27)."""
    if not row.added_line:
        return row.text_body, row.html_body
    html = row.html_body
    if html is not None:
        line = f'<p style="margin:0 0 16px;font-size:16px;line-height:24px">{escape(row.added_line)}</p>'
        html = html.replace(ADDED_LINE_PLACE, f"{line}{ADDED_LINE_PLACE}", 1)
    return f"{row.added_line}\n\n{row.text_body}", html
