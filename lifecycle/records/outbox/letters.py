"""A message's words: `templates/emails/<name>/` holds subject.txt, text.txt and body.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app, render_template

from lifecycle.core.words import SOURCE, speaking
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.outbox.models import OutboxMessage


@dataclass(frozen=True)
class Letter:
    """A message as it will be read: one line of subject, plain text, and the same as HTML.

    `sms` says it in a few words; without it the message cannot go as one.
    """

    subject: str
    text: str
    html: str
    sms: str | None = None


def render_letter(name: str, **context: Any) -> Letter:
    """Return the letter `name` with `context` filled in; needs an application context, no request."""
    folder = f"emails/{name}"
    return Letter(
        subject=" ".join(render_template(f"{folder}/subject.txt", **context).split()),
        text=render_template(f"{folder}/text.txt", **context).strip() + "\n",
        html=render_template(f"{folder}/body.html", **context),
    )


def send_letter(
    name: str,
    words: Mapping[str, Any],
    *,
    to_address: str,
    to_name: str,
    language: str = SOURCE,
    **message: Any,
) -> OutboxMessage:
    """Owe somebody the letter `name`; it is also the kind of the message.

    As an SMS it is its subject and the link that the words name; without a link it goes by mail.

    Args:
        words: what the letter says; `person` and `home` are known.
        language: of LANGUAGES, whatever the page at hand is in.
        message: the rest that `send_message` takes, but for its words.

    Raises:
        Invalid: the address could not stand in a header.
    """
    with speaking(language):
        letter = render_letter(name, person=to_name, home=base_url(), **words)
    return send_message(
        name,
        to_address=to_address,
        to_name=to_name,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        sms=f"{letter.subject}\n{words['link']}" if words.get("link") else None,
        **message,
    )


def base_url() -> str:
    """Return the address of this installation, as links in letters begin."""
    found: str = current_app.extensions["settings"].base_url
    return found
