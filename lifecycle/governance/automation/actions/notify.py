"""`notify`: tell departments, the owner, their manager, the client, or teams in their channels."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.governance.automation.actions.base import CannotDo, Performing
from lifecycle.governance.handoffs.offer import members_of
from lifecycle.governance.language.model import MessageDef
from lifecycle.governance.messages.letters import AboutRequest, write_letter
from lifecycle.governance.requests.ask import link_address, thread_of
from lifecycle.governance.requests.contacts import settle_recipient
from lifecycle.governance.requests.decide import working_link
from lifecycle.governance.rules.actions import NotifyParams
from lifecycle.records.accounts.models import Contact
from lifecycle.records.inbox.record import tell
from lifecycle.records.outbox.compose import send_message, send_to_channel
from lifecycle.records.outbox.letters import base_url
from lifecycle.records.people.models import User
from lifecycle.records.team_channels.queries import channel_labels
from lifecycle.work.client_requests.models import WAITING_STATUSES


def perform(doing: Performing, params: NotifyParams) -> str:
    """Put a notice into each inbox, and mail the message where one is named."""
    said = []
    staff = recipients(doing.subject.card.owner_id, doing.subject.card.department_key, params)
    if staff:
        said.append(_tell_staff(doing, params, staff))
    elif params.departments or params.owner or params.manager:
        said.append("nobody of those meant works here")
    if params.client:
        said.append(_tell_client(doing, params))
    if params.channels:
        said.append(_tell_channels(doing, params))
    return "Told: " + "; ".join(said) + "."


def recipients(owner_id: uuid.UUID, department: str, params: NotifyParams) -> list[uuid.UUID]:
    """Return the users that a notice is meant for, each once."""
    found = members_of(params.departments) if params.departments else []
    found += [owner_id] if params.owner else []
    found += members_of([department], managers_only=True) if params.manager else []
    return list(dict.fromkeys(found))


def _tell_staff(doing: Performing, params: NotifyParams, staff: Sequence[uuid.UUID]) -> str:
    subject = doing.subject
    # Nobody needs to be told what they have just done, but a message named for them still comes.
    told = [user_id for user_id in staff if user_id != doing.firing.actor_id or params.departments]
    tell(
        told,
        title=_sentence(doing, params.says),
        link=f"/cards/{subject.card.id}",
        cause=doing.cause,
        card_id=subject.card.id,
        visit_id=doing.visit_to_undo,
        shows_at=doing.firing.undo_until,
    )
    people = db.session.scalars(sa.select(User).where(User.id.in_(staff)).order_by(User.name)).all()
    if params.message is not None:
        for person in people:
            _mail(doing, params.message, person)
    names = [person.name for person in people if person.id in told or params.message]
    return ", ".join(names) or "nobody but who did it"


def _sentence(doing: Performing, says: str) -> str:
    subject = doing.subject
    if says:
        return f"{subject.account.name}: {subject.card.title}: {says}"
    if doing.firing.event_kind == "card.stage.entered":
        return f"{subject.account.name}: {subject.card.title} is in {subject.stage.name}"
    return f"{subject.account.name}: {subject.card.title}: {doing.rule.name}"


def _tell_client(doing: Performing, params: NotifyParams) -> str:
    assert params.message is not None
    request = doing.request()
    contact = None
    if request is not None and request.contact_id is not None:
        contact = db.session.get(Contact, request.contact_id)
    contact = contact or settle_recipient(doing.subject, params.to)
    if contact is None or not contact.email:
        raise CannotDo("The client cannot be told: no contact with an email address is known.")
    _mail(doing, params.message, contact)
    return f"{contact.name} ({contact.email})"


def _tell_channels(doing: Performing, params: NotifyParams) -> str:
    subject = doing.subject
    if params.message is not None:
        owner = db.session.get(User, subject.card.owner_id)
        definition = subject.playbook.messages[params.message]
        letter = write_letter(
            definition,
            subject,
            contact=settle_recipient(subject, None),
            owner=owner,
            request=_about_request(doing, definition, None),
            to_client=False,
        )
        kind, title, text = f"playbook.{params.message}", letter.subject, letter.text
    else:
        kind, title, text = "notice", _sentence(doing, params.says), ""
    for key in params.channels:
        send_to_channel(
            key,
            kind,
            subject=title,
            text=text,
            about=_about(doing),
            card_id=subject.card.id,
            visit_id=doing.visit_to_undo,
            cause=f"{doing.cause}/#{key}",
            send_after=doing.firing.undo_until,
        )
    return ", ".join(channel_labels(params.channels).values())


def _about(doing: Performing) -> dict[str, Any]:
    """Return what a message to a channel is about, for programs; `link` is the card's page."""
    subject = doing.subject
    return {
        "event": doing.firing.event_kind,
        "rule": doing.rule.name,
        "card": {"id": str(subject.card.id), "title": subject.card.title},
        "account": {"id": str(subject.account.id), "name": subject.account.name},
        "board": {"key": subject.pipeline.slug, "name": subject.pipeline.name},
        "stage": {"key": subject.stage.key, "name": subject.stage.name},
        "link": f"{base_url()}/cards/{subject.card.id}",
    }


def _mail(doing: Performing, message: str, to: User | Contact) -> None:
    subject = doing.subject
    person, contact = (to, None) if isinstance(to, User) else (None, to)
    owner = db.session.get(User, subject.card.owner_id)
    reached = contact or settle_recipient(subject, None)
    definition = subject.playbook.messages[message]
    letter = write_letter(
        definition,
        subject,
        contact=reached,
        owner=owner,
        request=_about_request(doing, definition, contact),
        to_client=contact is not None,
    )
    send_message(
        f"playbook.{message}",
        to_address=to.email or "",
        to_name=to.name,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        sms=letter.sms,
        user_id=person.id if person else None,
        contact_id=contact.id if contact else None,
        card_id=subject.card.id,
        visit_id=doing.visit_to_undo,
        request_id=_request_id(doing) if contact else None,
        thread=thread_of(subject),
        reply_to=owner.email if owner and contact else None,
        cause=f"{doing.cause}/{person.id if person else 'client'}",
        resend_if_unsure=contact is None,
        send_after=doing.firing.undo_until,
    )


def _request_id(doing: Performing) -> uuid.UUID | None:
    request = doing.request()
    return request.id if request is not None else None


def _about_request(doing: Performing, message: MessageDef, contact: Contact | None) -> AboutRequest | None:
    request = doing.request()
    if request is None or not message.reads_request:
        return None
    # Staff get the page about the request; only the client's own link answers it.
    link = f"/client-gates/{request.id}"
    if contact is not None and request.status in WAITING_STATUSES and request.closed_at is None:
        return AboutRequest(
            request.name, link_address(working_link(request, contact)), request.due_at, request.reason
        )
    home = base_url()
    return AboutRequest(request.name, home + link, request.due_at, request.reason)
