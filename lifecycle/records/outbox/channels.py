"""By which channel a message goes: as its contact prefers, and by mail wherever that cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lifecycle.records.accounts.models import Contact
from lifecycle.records.accounts.preferences import sms_number
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.sealed import fill_in
from lifecycle.records.sms.providers import Text, find_provider
from lifecycle.records.sms.segments import MOST_SEGMENTS, count_segments

NO_PROVIDER: Final = "SMS is not set up here."
STOPPED: Final = "They want no more SMS."


@dataclass(frozen=True)
class Route:
    """How a message goes, and why not as an SMS to whom would have liked one."""

    channel: Literal["email", "sms"]
    phone: str | None = None
    because: str | None = None


def choose_route(contact: Contact | None, sms: str | None) -> Route:
    """Return how a message with these few words reaches somebody now; None: it has none, or is to staff."""
    if contact is None or contact.channel != "sms":
        return Route("email")
    phone = sms_number(contact.phone)
    if find_provider() is None:
        return Route("email", because=NO_PROVIDER)
    if contact.sms_stopped_at is not None:
        return Route("email", because=STOPPED)
    if phone is None:
        return Route("email", because="There is no mobile number of theirs.")
    if not sms:
        return Route("email", because="It has no short text.")
    parts = count_segments(fill_in(sms, contact.id))
    if parts > MOST_SEGMENTS:
        because = f"As an SMS it would have {parts} parts, and {MOST_SEGMENTS} are the most."
        return Route("email", because=because)
    return Route("sms", phone)


def settle_route(row: OutboxMessage, contact: Contact | None) -> None:
    """Send a message that was to go as an SMS by mail if that cannot be any more, however it has changed."""
    if row.channel != "sms":
        return
    route = choose_route(contact, sms_words(row))
    if route.channel == "sms":
        row.to_phone = route.phone
    else:
        go_by_mail(row, route.because)


def go_by_mail(row: OutboxMessage, because: str | None) -> None:
    """Let a message that was to go as an SMS go by mail, with all the attempts that a mail has."""
    row.channel, row.by_mail_because = "email", because
    row.attempts_before = row.attempts


def sms_words(row: OutboxMessage) -> str | None:
    """Return what the SMS says, with the line that somebody added on top; secrets are placeholders."""
    if not row.sms_text or not row.added_line:
        return row.sms_text
    return f"{row.added_line}\n{row.sms_text}"


def as_text(row: OutboxMessage) -> Text:
    """Return the SMS as it is handed over."""
    return Text(str(row.id), row.to_phone or "", fill_in(sms_words(row) or "", row.reader_id))
