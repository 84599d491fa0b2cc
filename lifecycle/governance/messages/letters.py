"""A playbook's message made into a letter about one card: the same for sending and for a look beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from flask import render_template
from markupsafe import Markup

from lifecycle.core.words import SOURCE, _, own, said_in, speaking
from lifecycle.governance.fields.values import show_value, spoken_day
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import MessageDef
from lifecycle.governance.messages.template import fill_html, fill_text
from lifecycle.records.accounts.countries import country_name
from lifecycle.records.accounts.models import Contact
from lifecycle.records.accounts.rights import CONTACT_RIGHTS
from lifecycle.records.outbox.letters import Letter, base_url
from lifecycle.records.people.models import User

TO_STAFF = "You get this because of your department or your part in this card."


@dataclass(frozen=True)
class AboutRequest:
    """What a message may say of a request; `link` opens it."""

    name: str
    link: str
    due_at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class _Part:
    lines: tuple[str, ...] = ()
    label: str = ""
    link: str = ""


def write_letter(
    message: MessageDef,
    subject: Subject,
    *,
    contact: Contact | None,
    owner: User | None,
    request: AboutRequest | None = None,
    to_client: bool,
) -> Letter:
    """Return the message filled in for a card.

    Raises:
        Invalid: it speaks of a request and there is none, or another name has no value.
    """
    language = (contact.language if to_client and contact else None) or SOURCE
    # The words are the playbook's; what stands around them is ours, whoever's page it is written on.
    with speaking(language, subject.playbook.words):
        if own(message.text) != message.text:
            message = _translated(message)
            values = message_values(subject, contact, owner, request, language=language)
        else:
            values = message_values(subject, contact, owner, request)
        text = fill_text(message.text, values)
        title = " ".join(fill_text(message.subject, values).split())
        html = render_template(
            "emails/playbook/body.html",
            subject=title,
            # The author's own markup: only values are escaped, and only administrators publish.
            html=Markup(fill_html(message.html, values)) if message.html else None,  # noqa: S704
            parts=_parts(text, request.link if request else None, own(request.name) if request else ""),
            reason=_reason_for_client(subject, owner) if to_client else TO_STAFF,
            home=base_url(),
        )
    return Letter(title, text.strip() + "\n", html, _short(message, values, title, request))


def _translated(message: MessageDef) -> MessageDef:
    """Return a message in the language that is written in; parts without a translation as they stand."""
    # Its HTML says the text again; without a translation of its own the text is laid out instead.
    html = own(message.html) if message.html else None
    return replace(
        message,
        subject=own(message.subject),
        text=own(message.text),
        html=html if html != message.html else None,
        sms=own(message.sms) if message.sms else None,
    )


def _short(
    message: MessageDef, values: Mapping[str, Any], title: str, request: AboutRequest | None
) -> str | None:
    """Return what an SMS says: the author's own few words, else the subject and the link, if there is one."""
    if message.sms is not None:
        return fill_text(message.sms, values).strip()
    return f"{title}\n{request.link}" if request is not None else None


def _reason_for_client(subject: Subject, owner: User | None) -> str:
    account = subject.account.name
    if owner is None:
        return _("You get this because you are a contact of %(account)s.", account=account)
    return _(
        "You get this because you are %(account)s's contact for it. Answer this message to reach %(owner)s.",
        account=account,
        owner=owner.name,
    )


def _parts(text: str, link: str | None, name: str) -> list[_Part]:
    """Return the paragraphs of a text; a line that is only the link becomes a button."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = tuple(line.strip() for line in block.strip().splitlines())
        if link is not None and lines == (link,):
            found.append(_Part(label=_("Open: %(name)s", name=name), link=link))
        elif lines:
            found.append(_Part(lines))
    return found


def message_values(
    subject: Subject,
    contact: Contact | None,
    owner: User | None,
    request: AboutRequest | None = None,
    *,
    language: str = SOURCE,
) -> dict[str, Any]:
    """Return the value of every place that a message may show, as people of a language read it."""
    card, account, playbook = subject.card, subject.account, subject.playbook
    phase = playbook.phase_of(subject.stage)
    on_card: dict[str, Any] = {
        "title": card.title,
        "value": f"{card.value_amount:,.2f}" if card.value_amount is not None else "",
        "currency": card.value_currency or "",
        "stage": subject.stage.name,
        "days_in_stage": (subject.now - subject.began_at).days,
    }
    on_account: dict[str, Any] = {
        "name": account.name,
        "country": country_name(account.country) if account.country else "",
        "segment": account.segment or "",
    }
    for definition in playbook.fields.values():
        shown = show_field(subject, definition.key, language)
        (on_card if definition.of == "card" else on_account)[definition.key] = shown
    values: dict[str, Any] = {
        "card": on_card,
        "account": on_account,
        "contact": _contact(contact, subject),
        "owner": {"name": owner.name if owner else "", "email": owner.email if owner else ""},
        "pipeline": {"name": subject.pipeline.name},
        "stage": {"name": subject.stage.name},
        "phase": {"name": said_in(playbook.words, phase.client_name, language) if phase else ""},
    }
    if request is not None:
        values["request"] = _request(request, subject, language)
    return values


def show_field(subject: Subject, key: str, language: str = SOURCE) -> str:
    """Return a field's value as people of a language read it; empty when it has none."""
    definition = subject.playbook.fields[key]
    value = subject.value(key)
    if value is None:
        return ""
    if definition.is_column and key == "country":
        return country_name(value)
    if definition.type == "date":
        return _day(value, language)
    return show_value(definition, value, subject.card.value_currency, language)


def _day(value: str, language: str) -> str:
    if language == SOURCE:
        return spoken_day(value)
    try:
        return _in_words(date.fromisoformat(value), language)
    except ValueError:
        # Kept under an older revision, as something else.
        return str(value)


def _contact(contact: Contact | None, subject: Subject) -> Mapping[str, str]:
    if contact is None:
        return {"name": subject.account.name, "first_name": subject.account.name, "email": ""}
    first = contact.name.split()[0] if contact.name.split() else contact.name
    return {"name": contact.name, "first_name": first, "email": contact.email or ""}


def _in_words(day: date, language: str) -> str:
    return f"{day:%-d %B %Y}" if language == SOURCE else format_date(day, "long", locale=language)


def due_on(due_at: datetime, subject: Subject) -> date:
    """Return the day something is due, as clients know it: in the zone of the playbook's calendar."""
    calendar = next(iter(subject.playbook.calendars.values()), None)
    zone = ZoneInfo(calendar.time_zone) if calendar else ZoneInfo("UTC")
    return due_at.astimezone(zone).date()


def _request(request: AboutRequest, subject: Subject, language: str) -> Mapping[str, str]:
    return {
        "name": said_in(subject.playbook.words, request.name, language),
        "link": request.link,
        "due": _in_words(due_on(request.due_at, subject), language),
        "reason": request.reason or "",
    }


def rights_in_words(rights: list[str]) -> str:
    """Return a contact's rights as people read them."""
    return ", ".join(CONTACT_RIGHTS[right] for right in rights if right in CONTACT_RIGHTS)
