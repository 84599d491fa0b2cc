"""Delivering what is due, each message in short transactions of its own.

claim -> connect -> commit `handing_over` -> DATA -> `sent`. Whatever dies on the way leaves a state that
tells how far it got: before `handing_over` it is tried again, after it nobody knows (`settle_abandoned`).
Every step compares state and attempt, so that of two processes holding one message only one goes on.

An SMS goes the same way: claim -> connect -> commit `handing_over` -> the request -> `sent`. What cannot go
as one, or is refused as one for good, goes by mail. So does a message to a channel of a team, but that there
is no other way for it.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import sqlalchemy as sa
from flask import Flask, current_app
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
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.refusals import forget_refused_address, note_refused_address, note_stop
from lifecycle.records.outbox.sealed import fill_in
from lifecycle.records.outbox.teams import (
    NotSet,
    as_parcel,
    is_awake,
    knows_doubles,
    note_failure,
    note_success,
)
from lifecycle.records.sms.answers import TextRefused
from lifecycle.records.sms.providers import Text, find_provider
from lifecycle.records.team_channels.kinds import ChannelRefused, Parcel

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
# How many channels of teams are spoken to at once; mail and SMS have their places beside them.
MOST_TEAMS_AT_ONCE = 4
_PEOPLE = ("email", "sms")
_TEAM_CHANNEL = "team"
_TEAM = "team:"
_LOOK_EVERY = 0.5
_LEFT_UNSURE = "The connection was lost after the message was handed over."


@dataclass(frozen=True)
class _Claimed:
    """A message that is ours while `attempt` is its latest."""

    id: uuid.UUID
    attempt: int
    message: Message | Text | Parcel
    team_key: str | None = None


class _NotOurs(Exception):
    """Somebody else holds the message now."""


def deliver_due(
    *, for_seconds: float = 60.0, should_stop: Callable[[], bool] = lambda: False
) -> tuple[int, bool]:
    """Send what is due until nothing is, the time is over, nobody can be reached, or it should stop.

    Mail, SMS and each channel of a team have a lane of their own, all at once and first come, first served in
    each: whoever is away or slow, or has a long queue, keeps only its own lane waiting. So does a fault of
    ours: it is raised when the other lanes are done.

    Any number of processes may do this at once. Must not be called inside a transaction.

    Returns:
        how many were sent, and whether more may be due right now.
    """
    # Each thread has a context of its own, and with it a session.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    turn = _Turn(time.monotonic() + for_seconds, should_stop)
    sent, is_more_due, closed = 0, False, set[str]()
    fault: BaseException | None = None
    with living() as deliverer, ThreadPoolExecutor(len(_PEOPLE) + MOST_TEAMS_AT_ONCE, "lane") as pool:
        running: dict[Future[_Drained], str] = {}
        while True:
            for lane in _lanes_to_begin(closed, set(running.values())):
                if turn.is_over():
                    is_more_due = True
                    break
                # What it logs names our job.
                draining = pool.submit(copy_context().run, _drain, app, deliverer, lane, turn)
                running[draining] = lane
            if not running and fault is not None:
                raise fault
            if not running:
                return sent, is_more_due
            done, _ = wait(running, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
            for each in done:
                lane = running.pop(each)
                if each.exception() is not None:
                    fault = fault or each.exception()
                    closed.add(lane)
                    continue
                drained = each.result()
                sent += drained.sent
                is_more_due |= drained.ended == "over"
                if drained.ended != "empty":
                    # What is due there is in somebody else's hand, or has to wait.
                    closed.add(lane)


@dataclass(frozen=True)
class _Turn:
    """How long lanes are drained."""

    ends_at: float
    should_stop: Callable[[], bool]

    def is_over(self) -> bool:
        return self.should_stop() or time.monotonic() > self.ends_at


@dataclass(frozen=True)
class _Drained:
    """How many of a lane were sent, and why no more.

    Nothing is due any more or was at all, nobody was there, or the turn was over.
    """

    sent: int
    ended: Literal["empty", "idle", "away", "over"]


def _lanes_to_begin(closed: set[str], running: set[str]) -> list[str]:
    """Return the lanes in which something is due, but for these: mail and SMS first, then teams."""
    lane = sa.func.coalesce(_TEAM + OutboxMessage.team_key, OutboxMessage.channel)
    with transaction():
        rows = db.session.scalars(
            sa.select(lane)
            .where(*_waits_for_us(), is_awake())
            .group_by(lane)
            .order_by(sa.func.min(OutboxMessage.next_attempt_at))
        ).all()
    due = [each for each in map(str, rows) if each not in closed and each not in running]
    places = MOST_TEAMS_AT_ONCE - sum(each not in _PEOPLE for each in running)
    teams = [each for each in due if each not in _PEOPLE]
    return [*(each for each in due if each in _PEOPLE), *teams[:places]]


def _drain(app: Flask, deliverer: int, lane: str, turn: _Turn) -> _Drained:
    """Send what is due in a lane, one after the other, in a thread and with a session of its own."""
    sent = 0
    ended: Literal["empty", "idle"] = "idle"
    with app.app_context(), ExitStack() as connections:
        connection: Connection | None = None
        while not turn.is_over():
            claimed = _claim(deliverer, lane)
            if claimed is None:
                return _Drained(sent, ended)
            ended = "empty"
            try:
                if lane == "email":
                    connection = connection or connections.enter_context(mail.connect())
                _hand_over(claimed, connection)
            except Unreachable as error:
                _give_back(claimed, str(error), error)
                log.warning("%s cannot be sent now: %s", lane, error)
                return _Drained(sent, "away")
            except (_NotOurs, Unsure, Refused, BadHeaderError, ValueError) as error:
                _settle(claimed, error)
                # Where a conversation broke off, the next message begins a new one.
                connections.close()
                connection = None
                if lane != "email" and isinstance(error, Unsure):
                    # Each waits for long; the next ones get their turn when the other side may be quicker.
                    return _Drained(sent, "away")
                if isinstance(error, ChannelRefused) and not error.is_final:
                    return _Drained(sent, "away")
            else:
                sent += 1
    return _Drained(sent, "over")


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


def _claim(deliverer: int, lane: str = "email") -> _Claimed | None:
    while True:
        with transaction():
            row = _next_due(lane)
            if row is None:
                return None
            contact = (
                db.session.get(Contact, row.contact_id, populate_existing=True) if row.contact_id else None
            )
            settle_route(row, contact)
            if row.channel not in (lane, _TEAM_CHANNEL) or _waits_out_quiet_hours(row, contact):
                continue
            try:
                message = _as_given(row)
            except NotSet as reason:
                fail(row, str(reason))
                continue
            row.state = "claimed"
            row.claimed_at = now()
            row.claimed_by = deliverer
            row.attempts += 1
        return _Claimed(row.id, row.attempts, message, row.team_key)


def _as_given(row: OutboxMessage) -> Message | Text | Parcel:
    if row.channel == _TEAM_CHANNEL:
        return as_parcel(row, with_added_line(row)[0])
    return as_text(row) if row.channel == "sms" else _as_mail(row)


def _next_due(lane: str) -> OutboxMessage | None:
    is_team = lane.startswith(_TEAM)
    in_lane = (
        (OutboxMessage.team_key == lane.removeprefix(_TEAM), is_awake())
        if is_team
        else (OutboxMessage.channel == lane,)
    )
    return db.session.scalar(
        sa.select(OutboxMessage)
        .where(*_waits_for_us(), *in_lane)
        .order_by(OutboxMessage.next_attempt_at, OutboxMessage.id)
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
        elif claimed.team_key is not None:
            note_success(claimed.team_key)


def _give(claimed: _Claimed, connection: Connection | None) -> dict[str, str | None]:
    """Hand a message over; return under what whoever took it knows it."""

    def before() -> None:
        _begin_handing_over(claimed)

    if isinstance(claimed.message, Parcel):
        claimed.message.hand_over(before)
        return {}
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
        _settle_unsure(claimed, error)
    elif isinstance(error, Refused):
        _give_back(claimed, str(error), error, is_final=error.is_final)
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


def _give_back(
    claimed: _Claimed, why: str, error: Exception | None = None, *, is_final: bool = False
) -> None:
    with transaction():
        row = _ours(claimed)
        if row is not None:
            _become_due_again(row, why, is_final=is_final)
        if claimed.team_key is not None and error is not None:
            note_failure(claimed.team_key, why, error)


def _settle_unsure(claimed: _Claimed, error: Unsure) -> None:
    with transaction():
        row = _ours(claimed)
        if row is not None:
            _become_unsure(row, f"{_LEFT_UNSURE} {error}")
        if claimed.team_key is not None:
            note_failure(claimed.team_key, f"{_LEFT_UNSURE} {error}", error)


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
    if row.resend_if_unsure and (row.channel != _TEAM_CHANNEL or knows_doubles(row)):
        # Once: the permission is used up. A receipt may yet tell that an SMS was taken (`receipts.py`).
        row.resend_if_unsure = False
        row.state = "due"
        row.next_attempt_at = now() + (timedelta() if row.channel == "email" else _RECEIPT_COMES_WITHIN)
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
        body=fill_in(text, row.reader_id),
        html=fill_in(html, row.reader_id) if html is not None else None,
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
