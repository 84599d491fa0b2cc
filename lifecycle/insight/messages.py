"""Outgoing messages about cards, as staff read them: what waits, what left, what failed, and why."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.core.text import contains_word, search_words
from lifecycle.governance.automation.failures import rule_name
from lifecycle.governance.messages.hold import ON_ITS_WAY, WAITING
from lifecycle.governance.sla.alerts import BREACHED
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.states import RESTORED, STATE_WORDS
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.records.reminders.models import Reminder
from lifecycle.records.reminders.record import ESCALATE, EXPIRE
from lifecycle.records.team_channels.models import KINDS
from lifecycle.work.client_requests.models import ClientRequest

PAGE: Final = 50
# By what a list can be narrowed to goes: its name in the address, and what people read.
WAYS: Final = {"": "Any way", "email": "Email", "sms": "SMS", "team": "Team channels"}
# What a list can be narrowed to: its name in the address, and what people read.
LISTS: Final = {
    "": "All",
    "waiting": "Waiting",
    "held": "Held",
    "sent": "Sent",
    "failed": "Failed",
    "unconfirmed": "Unconfirmed",
    "cancelled": "Cancelled",
}
_PLACEHOLDER: Final = re.compile(r"\[\[(token|code):[^\]\s]*\]\]")
_SHOWN: Final = {"token": "[link]", "code": "[code]"}
_HISTORY: Final = {
    "card.message.held": "held it back",
    "card.message.released": "let it go",
    "card.message.hurried": "sent it in spite of their quiet hours",
    "card.message.delivered": "was told that it was delivered",
    "card.message.undelivered": "was told that the SMS was not delivered",
    "card.message.cancelled": "cancelled it",
    "card.message.line_added": "wrote the line on top",
    "card.message.line_removed": "took the line on top away",
    "card.message.resent": "sent it again",
}
# One reminder of each kind, and many of them.
REMINDER_KINDS: Final = {
    "request": ("Request to the client", "Requests to clients"),
    "task": ("Task", "Tasks"),
    "sla": ("SLA alert", "SLA alerts"),
    "handoff": ("Handoff", "Handoffs"),
    "meeting": ("Meeting", "Meetings"),
    "series": ("Reminder by a rule", "Reminders by rules"),
}
_STEPS: Final = {ESCALATE: "escalated", EXPIRE: "expires", BREACHED: "over its time"}
_holder = aliased(User)
_COLUMNS: Final = (
    OutboxMessage.id,
    OutboxMessage.kind,
    OutboxMessage.to_name,
    OutboxMessage.to_address,
    OutboxMessage.subject,
    OutboxMessage.state,
    OutboxMessage.attempts,
    OutboxMessage.next_attempt_at,
    OutboxMessage.sent_at,
    OutboxMessage.last_error,
    OutboxMessage.user_id,
    OutboxMessage.visit_id,
    OutboxMessage.request_id,
    OutboxMessage.cause,
    OutboxMessage.held_by,
    OutboxMessage.resent_from,
    OutboxMessage.created_at,
    OutboxMessage.channel,
    OutboxMessage.team_key,
    OutboxMessage.provider,
    OutboxMessage.to_phone,
    OutboxMessage.by_mail_because,
    OutboxMessage.quiet_until,
    OutboxMessage.delivered_at,
    Contact.time_zone.label("their_zone"),
    Card.id.label("card_id"),
    Card.title.label("card_title"),
    Account.id.label("account_id"),
    Account.name.label("account_name"),
    _holder.name.label("holder"),
)


@dataclass(frozen=True)
class MessageState:
    """Where a message stands, in words with an icon. `reason` is what the other side or the network said."""

    key: str
    words: str
    icon: str
    tone: str
    reason: str | None = None

    @property
    def sentence(self) -> str:
        """The words, with the reason where there is one."""
        return f"{self.words}: {self.reason}" if self.reason else self.words


@dataclass(frozen=True)
class Because:
    """Why a message was written, and where one reads more about it."""

    words: str
    url: str | None = None


@dataclass(frozen=True)
class MessageLine:
    """A message in a list; the `cause` is the engine's own name of why, the `because` that of people."""

    id: uuid.UUID
    subject: str
    to_name: str
    to_address: str
    user_id: uuid.UUID | None
    state: MessageState
    because: Because
    card_id: uuid.UUID
    card_title: str
    account_id: uuid.UUID
    account_name: str
    created_at: datetime
    cause: str
    visit_id: int | None
    request_id: uuid.UUID | None
    resent_from: uuid.UUID | None
    is_sms: bool
    by_mail_because: str | None
    team_kind: str | None

    @property
    def by(self) -> str:
        """By which way it goes, in a word."""
        return self.team_kind or ("SMS" if self.is_sms else "Email")

    @property
    def is_to_staff(self) -> bool:
        """Whether it goes to somebody who works here, or to a team in its channel."""
        return self.user_id is not None or self.team_kind is not None


@dataclass(frozen=True)
class PastAct:
    """What somebody did about a message."""

    by: str
    words: str
    at: datetime
    line: str | None = None


@dataclass(frozen=True)
class MessagePage:
    """One message with its text as it will be sent, every secret left out."""

    line: MessageLine
    text: str
    added_line: str | None
    added_by: str | None
    attempts: int
    reply_to: str | None
    history: list[PastAct]
    is_waiting: bool
    is_held: bool
    is_quiet: bool
    may_resend: bool


def list_messages(
    chosen: str,
    zone: ZoneInfo,
    *,
    card_id: uuid.UUID | None = None,
    playbook: str | None = None,
    way: str = "",
    search: str = "",
    page: int = 1,
) -> tuple[list[MessageLine], bool]:
    """Return a page of messages about cards, the newest first, and whether there is more: four queries.

    Args:
        chosen: a key of `LISTS`.
        way: a key of `WAYS`.
        search: words of whom it goes to, of the card or of its account; each must be found.
    """
    query = _lines().where(*_conditions(chosen))
    if way:
        query = query.where(OutboxMessage.channel == way)
    query = query.where(*(_has(word) for word in search_words(search)))
    if card_id is not None:
        query = query.where(OutboxMessage.card_id == card_id)
    if playbook is not None:
        query = query.where(
            Card.pipeline_id.in_(sa.select(Pipeline.id).where(Pipeline.playbook_key == playbook))
        )
    query = query.order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
    rows = db.session.execute(query.limit(PAGE + 1).offset((page - 1) * PAGE)).all()
    return _read(rows[:PAGE], zone), len(rows) > PAGE


def messages_of_card(card_id: uuid.UUID, zone: ZoneInfo) -> list[MessageLine]:
    """Return all mail about a card, in the order it was written."""
    query = _lines().where(OutboxMessage.card_id == card_id)
    return _read(db.session.execute(query.order_by(OutboxMessage.created_at, OutboxMessage.id)).all(), zone)


def undelivered_messages(
    zone: ZoneInfo, since: datetime, *where: sa.ColumnElement[bool], limit: int = 20
) -> tuple[list[MessageLine], int]:
    """Return mail that may not have arrived and was not sent again, the newest first, and how much it is."""
    again = aliased(OutboxMessage)
    query = (
        _lines()
        .add_columns(sa.func.count().over().label("listed_of"))
        .where(
            OutboxMessage.state.in_(("failed", "unconfirmed")),
            OutboxMessage.created_at >= since,
            ~sa.exists().where(again.card_id == OutboxMessage.card_id, again.resent_from == OutboxMessage.id),
            *where,
        )
        .order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
        .limit(limit)
    )
    rows = db.session.execute(query).all()
    return _read(rows, zone), rows[0].listed_of if rows else 0


def read_message(message_id: uuid.UUID, zone: ZoneInfo) -> MessagePage:
    """Return one message about a card.

    Raises:
        NotFound: there is none; mail about log-ins is not shown to anybody.
    """
    adder = aliased(User)
    query = (
        _lines()
        .add_columns(
            OutboxMessage.text_body,
            OutboxMessage.sms_text,
            OutboxMessage.added_line,
            OutboxMessage.reply_to,
            adder.name.label("adder"),
        )
        .outerjoin(adder, adder.id == OutboxMessage.added_by)
        .where(OutboxMessage.id == message_id)
    )
    row = db.session.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such message about a card.")
    return MessagePage(
        line=_read([row], zone)[0],
        text=without_secrets(row.sms_text if row.channel == "sms" else row.text_body),
        added_line=row.added_line,
        added_by=row.adder,
        attempts=row.attempts,
        reply_to=row.reply_to,
        history=_history(row.card_id, message_id),
        is_waiting=row.state in WAITING,
        is_held=row.state in WAITING and row.held_by is not None,
        is_quiet=row.state in WAITING and row.held_by is None and row.quiet_until == row.next_attempt_at,
        may_resend=row.state not in ON_ITS_WAY,
    )


def without_secrets(text: str) -> str:
    """Return a message's text with `[link]` or `[code]` for what opens something.

    Only whom it is for may see that, and nobody what stands for it: written into another message, that would
    be filled in there.
    """
    return _PLACEHOLDER.sub(lambda found: _SHOWN[found[1]], text)


def clock_words(at: datetime, zone: ZoneInfo) -> str:
    """Return a time as short as it is clear: `10:42` today, else with the day, else with the year."""
    local, today = at.astimezone(zone), now().astimezone(zone).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    return f"{local:%-d %b, %H:%M}" if local.year == today.year else f"{local:%-d %b %Y, %H:%M}"


def quiet_words(until: datetime, their_zone: str | None) -> str:
    """Return until when a message waits out quiet hours, on the clock of whom it is for."""
    return f"Waits until {clock_words(until, ZoneInfo(their_zone or 'UTC'))} in their zone"


def standing_of(message: OutboxMessage, their_zone: str | None) -> str:
    """Return where a message stands in a few words, for a line on another page."""
    if message.state in WAITING and message.held_by is not None:
        return "Held back"
    quiet = message.quiet_until
    if message.state in WAITING and quiet is not None and quiet == message.next_attempt_at:
        return f"{quiet_words(quiet, their_zone)} (quiet hours)"
    if message.state == "sent" and message.delivered_at is not None:
        return "Delivered"
    return STATE_WORDS[message.state]


def with_zone() -> sa.Select[OutboxMessage, str | None]:
    """Return the query for messages, each with the time zone of its contact."""
    return sa.select(OutboxMessage, Contact.time_zone).outerjoin(
        Contact, Contact.id == OutboxMessage.contact_id
    )


def _conditions(chosen: str) -> list[sa.ColumnElement[bool]]:
    if chosen == "waiting":
        return [OutboxMessage.state.in_(ON_ITS_WAY)]
    if chosen == "held":
        return [OutboxMessage.state.in_(WAITING), OutboxMessage.held_by.is_not(None)]
    return [OutboxMessage.state == chosen] if chosen else []


def _has(word: str) -> sa.ColumnElement[bool]:
    """Return the condition that a message goes to somebody, or is about something, called like that.

    Who and what is called so is looked up first, in the indexes of their names: messages are far too many.
    """
    contacts = sa.select(Contact.id).where(
        contains_word(Contact.name, word) | contains_word(Contact.email, word)
    )
    users = sa.select(User.id).where(contains_word(User.name, word) | contains_word(User.email, word))
    return sa.or_(
        OutboxMessage.contact_id.in_(contacts),
        OutboxMessage.user_id.in_(users),
        OutboxMessage.card_id.in_(sa.select(Card.id).where(contains_word(Card.title, word))),
        Card.account_id.in_(sa.select(Account.id).where(contains_word(Account.name, word))),
    )


def _lines() -> sa.Select[*tuple[Any, ...]]:
    # Joined with its card, so that mail about passwords and invitations is never among them.
    return (
        sa.select(*_COLUMNS)
        .join(Card, Card.id == OutboxMessage.card_id)
        .join(Account, Account.id == Card.account_id)
        .outerjoin(_holder, _holder.id == OutboxMessage.held_by)
        .outerjoin(Contact, Contact.id == OutboxMessage.contact_id)
        .where(Card.withdrawn_at.is_(None))
    )


def _read(rows: Sequence[Any], zone: ZoneInfo) -> list[MessageLine]:
    causes = _Causes(rows)
    return [
        MessageLine(
            id=row.id,
            subject=row.subject,
            to_name=row.to_name or row.to_address,
            # A channel has no address that may be read.
            to_address=row.to_name if row.team_key else _address(row),
            user_id=row.user_id,
            state=state_of(row, zone),
            because=causes.of(row),
            card_id=row.card_id,
            card_title=row.card_title,
            account_id=row.account_id,
            account_name=row.account_name,
            created_at=row.created_at,
            cause=row.cause or "",
            visit_id=row.visit_id,
            request_id=row.request_id,
            resent_from=row.resent_from,
            is_sms=row.channel == "sms",
            by_mail_because=row.by_mail_because,
            team_kind=KINDS.get(row.provider or "", "Team channel") if row.team_key else None,
        )
        for row in rows
    ]


def _address(row: Any) -> str:
    found: str = (row.to_phone if row.channel == "sms" else None) or row.to_address
    return found


def state_of(row: Any, zone: ZoneInfo) -> MessageState:
    """Return where a message stands; a row of the table does, as of no person who holds it is known then."""
    if row.state in WAITING:
        return _waiting(row, zone)
    if row.state in ON_ITS_WAY:
        return MessageState("sending", "Being sent", "send", "accent")
    if row.state == "sent" and row.delivered_at is not None:
        return MessageState(
            "delivered", f"Delivered {clock_words(row.delivered_at, zone)}", "circle-check", "passed"
        )
    if row.state == "sent":
        words = f"Sent {clock_words(row.sent_at, zone)}" if row.sent_at else "Sent"
        return MessageState("sent", words, "circle-check", "passed")
    if row.state == "failed":
        return MessageState("failed", "Failed", "alert-triangle", "breach", row.last_error)
    if row.state == "unconfirmed":
        reason = "nobody knows whether it arrived"
        if (row.last_error or "").startswith(RESTORED):
            reason = row.last_error
        return MessageState("unconfirmed", "Unconfirmed", "help", "soon", reason)
    return MessageState("cancelled", "Cancelled", "ban", "neutral")


def _waiting(row: Any, zone: ZoneInfo) -> MessageState:
    if row.held_by is not None:
        holder = getattr(row, "holder", None) or "somebody"
        return MessageState("held", f"Held by {holder}", "hand-stop", "soon")
    when = clock_words(row.next_attempt_at, zone)
    if row.next_attempt_at <= now():
        return MessageState("waiting", "About to leave", "clock", "neutral", row.last_error)
    if row.attempts:
        tried = "once" if row.attempts == 1 else f"{row.attempts} times"
        return MessageState("waiting", f"Tried {tried}, again at {when}", "refresh", "soon", row.last_error)
    if row.quiet_until is not None and row.next_attempt_at == row.quiet_until:
        return MessageState(
            "waiting",
            quiet_words(row.quiet_until, getattr(row, "their_zone", None)),
            "moon",
            "neutral",
            "quiet hours",
        )
    return MessageState("waiting", f"Waits until {when}", "clock", "neutral")


class _Causes:
    """Why each of some messages was written, in three queries however many there are."""

    def __init__(self, rows: Sequence[Any]) -> None:
        causes = [_parts(row.cause) for row in rows]
        self._firings = _by_id(
            sa.select(
                RuleFiring.id,
                RuleFiring.rule_key,
                RuleFiring.revision_id,
                RuleFiring.card_id,
                RuleFiring.visit_id,
            ),
            RuleFiring.id,
            {named for kind, named in causes if kind == "firing" and named},
        )
        self._reminders = _by_id(
            sa.select(Reminder.id, Reminder.kind, Reminder.step, Reminder.says),
            Reminder.id,
            {named for kind, named in causes if kind == "reminder" and named},
        )
        self._requests = _by_id(
            sa.select(ClientRequest.id, ClientRequest.name),
            ClientRequest.id,
            {row.request_id for row in rows if row.request_id},
        )

    def of(self, row: Any) -> Because:
        kind, named = _parts(row.cause)
        if row.resent_from is not None:
            return Because("Somebody sent an earlier message again", f"/messages/{row.resent_from}")
        if kind == "firing" and named in self._firings:
            firing = self._firings[named]
            url = f"/cards/{firing.card_id}/visits/{firing.visit_id}"
            return Because(f"Rule: {rule_name(firing.revision_id, firing.rule_key)}", url)
        if kind == "reminder" and named in self._reminders:
            return self._reminder(row, self._reminders[named])
        if row.request_id in self._requests:
            name = self._requests[row.request_id].name
            url = f"/client-gates/{row.request_id}"
            if kind == "renewal":
                return Because(f"A new link to “{name}”, asked for by the client", url)
            by_hand = (row.cause or "").partition("/by-hand/")[1]
            return Because(f"{'Reminder by hand' if by_hand else 'Asks the client'}: {name}", url)
        if row.kind == "meeting_outcome":
            return Because("The minutes of a meeting")
        return Because(row.kind.removeprefix("playbook.").replace("_", " ").capitalize())

    def _reminder(self, row: Any, reminder: Any) -> Because:
        step = step_words(reminder.step)
        if row.request_id in self._requests:
            name = self._requests[row.request_id].name
            return Because(f"Reminder, {step}: {name}", f"/client-gates/{row.request_id}")
        return Because(f"{REMINDER_KINDS[reminder.kind][0]}, {step}")


def step_words(step: str) -> str:
    """Return a step of a series as it reads within a sentence."""
    return _STEPS.get(step, step)


def _parts(cause: str | None) -> tuple[str, uuid.UUID | None]:
    """Return what kind of cause it is, and the id that it names."""
    kind, _, rest = (cause or "").partition("/")
    try:
        return kind, uuid.UUID(rest.partition("/")[0])
    except ValueError:
        return kind, None


def _by_id(query: sa.Select[*tuple[Any, ...]], column: Any, ids: set[uuid.UUID]) -> Mapping[Any, Any]:
    if not ids:
        return {}
    return {row.id: row for row in db.session.execute(query.where(column.in_(ids)))}


def _history(card_id: uuid.UUID, message_id: uuid.UUID) -> list[PastAct]:
    data = Event.body["data"]
    rows = db.session.execute(
        sa.select(Event.at, Event.kind, Event.body)
        .where(
            Event.card_id == card_id,
            Event.kind.in_(_HISTORY),
            sa.or_(
                data["message"].astext == str(message_id),
                data["resent_as"].astext == str(message_id),
            ),
        )
        .order_by(Event.at, Event.id)
    ).all()
    found = []
    for row in rows:
        body = row.body["data"]
        words = _HISTORY[row.kind]
        if body.get("resent_as") == str(message_id):
            words = "sent an earlier message again, as this one"
        line = (body.get("changes") or {}).get("added_line", {}).get("after")
        found.append(PastAct(str(row.body["actor"]["name"]), words, row.at, line))
    return found
