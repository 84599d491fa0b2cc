"""Delivery status notifications, as mail servers write them (RFC 3464): which message came back, and why.

Nothing of one is believed but that it names a message: who may be named is for the reader to decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.policy import compat32
from typing import Final

from lifecycle.core.text import one_line

LARGEST: Final = 1_000_000
"""Bytes of a message that are read: what counts stands before the text and the files of what is returned."""
_MOST_RECIPIENTS: Final = 50
_LONGEST: Final = 500
_ACTIONS: Final = ("failed", "delayed")
# RFC 3463, and 7505 for the last: no such mailbox, host or syntax, moved, disabled, and a host without mail.
_OF_THE_ADDRESS: Final = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.2.1", "5.1.10")


@dataclass(frozen=True)
class DeliveryReport:
    """What a mail server says of one message to one address.

    `action` is failed (for good) or delayed (it goes on trying); `status` is a code like 5.1.1, or empty.
    """

    message_id: str
    recipients: frozenset[str]
    action: str
    status: str
    why: str

    @property
    def is_about_the_address(self) -> bool:
        """Whether no other message would arrive there either."""
        return self.action == "failed" and self.status in _OF_THE_ADDRESS


def read_delivery_reports(content: bytes) -> list[DeliveryReport]:
    """Return what a message says came back or is late; nothing for one that is no such notification."""
    try:
        message = message_from_bytes(content[:LARGEST], policy=compat32)
        if message.get_content_type() != "multipart/report":
            return []
        message_id = _returned_id(message)
        return list(_reports(message, message_id)) if message_id else []
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # Whatever it is, no mail server wrote it.
        return []


def _reports(message: Message, message_id: str) -> Iterator[DeliveryReport]:
    parts = [part for part in message.walk() if part.get_content_type() == "message/delivery-status"]
    groups = [group for part in parts[:1] for group in _groups(part)]
    for group in groups[:_MOST_RECIPIENTS]:
        action = str(group.get("Action", "")).strip().lower()
        if action in _ACTIONS:
            status = str(group.get("Status", "")).split("(")[0].strip()
            said = one_line(_after_type(group.get("Diagnostic-Code")))[:_LONGEST]
            yield DeliveryReport(message_id, _recipients(group), action, status[:12], said or status)


def _groups(part: Message) -> list[Message]:
    """Return the fields of each recipient; the first group is about the message as a whole."""
    payload = part.get_payload()
    return [group for group in payload if isinstance(group, Message)] if isinstance(payload, list) else []


def _recipients(group: Message) -> frozenset[str]:
    named = (_after_type(group.get(name)) for name in ("Final-Recipient", "Original-Recipient"))
    return frozenset(address.strip("<> ").lower() for address in named if address.isprintable() and address)


def _after_type(field: object) -> str:
    """Return a field's value without its type, as `rfc822;` or `smtp;`."""
    kind, separator, value = str(field or "").partition(";")
    return (value if separator else kind).strip()


def _returned_id(message: Message) -> str:
    """Return the Message-ID of the message that is returned, whole or by its headers."""
    for part in message.walk():
        if part.get_content_type() == "message/rfc822":
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else None
            found = inner.get("Message-ID") if isinstance(inner, Message) else None
        elif part.get_content_type() in ("text/rfc822-headers", "message/rfc822-headers"):
            body = part.get_payload(decode=True)
            found = message_from_bytes(body).get("Message-ID") if isinstance(body, bytes) else None
        else:
            continue
        if found:
            message_id = "".join(str(found).split())
            return message_id if message_id.isprintable() else ""
    return ""
