"""What arrived at the mail server of the tests."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from urllib.parse import urlsplit

from flask import Flask

from lifecycle.records.outbox.deliver import deliver_due
from tests.installation import SmtpSink


def deliver(app: Flask) -> int:
    """Send what is due now, as the worker would; return how many were sent."""
    with app.app_context():
        return deliver_due()[0]


def received(sink: SmtpSink) -> list[EmailMessage]:
    """Return all messages in the order they came."""
    messages = []
    for envelope in sink.received:
        content = envelope.original_content or b""
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        messages.append(message)
    return messages


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """Return a message's plain text, or its HTML."""
    part = message.get_body((kind,))
    assert part is not None
    content = str(part.get_content())
    return content.replace("\r\n", "\n")


def link_in(message: EmailMessage, path: str) -> str:
    """Return the path of the link that begins with `path`; text and HTML must agree on it."""
    pattern = rf"https?://[^\s\"<]+{path}[^\s\"<]+"
    links: set[str] = {
        link for kind in ("plain", "html") for link in re.findall(pattern, text_of(message, kind))
    }
    assert len(links) == 1, links
    return urlsplit(links.pop()).path
