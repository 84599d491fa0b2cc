"""Opening a request to the client and mailing the link that answers it.

Every function takes a subject that the caller holds (`changing_card`, a move, a rule).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.core.ids import new_id
from lifecycle.core.tokens import hash_token
from lifecycle.core.words import _
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.waiting import start_waiting, stop_waiting
from lifecycle.governance.fields.values import show_table
from lifecycle.governance.gates.checks.client import shown_values
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ClientRequestDef, ReminderSeries
from lifecycle.governance.language.reminders import moment_of
from lifecycle.governance.messages.letters import AboutRequest, message_values, show_field, write_letter
from lifecycle.governance.messages.template import fill_text
from lifecycle.governance.requests.contacts import settle_recipient
from lifecycle.governance.requests.form import first_answers
from lifecycle.governance.requests.legal import legal_in_force
from lifecycle.governance.sla.clock import calendar_of, due_after
from lifecycle.records.accounts.models import Contact
from lifecycle.records.files.models import StoredFile
from lifecycle.records.outbox.compose import cancel_messages_of_request, send_message
from lifecycle.records.outbox.letters import base_url
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.outbox.sealed import placeholder, sealed_token
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.reminders.record import ESCALATE, EXPIRE, Plan, plan_reminders
from lifecycle.work.attachments.queries import attachments_by_card
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientLink, ClientRequest
from lifecycle.work.client_requests.queries import find_open_request, requests_by_card
from lifecycle.work.client_requests.subject import hash_shown

LINK_LASTS: Final = timedelta(days=60)
"""How long a link opens its request, counted from when it is due."""


def open_request(
    subject: Subject,
    key: str,
    *,
    actor: Actor,
    due_at: datetime,
    to: str | None,
    series: ReminderSeries,
    channel: str,
    contact: Contact | None = None,
    undo_until: datetime | None = None,
) -> ClientRequest:
    """Ask the client for something; an older request for the same is replaced.

    Where nobody with an address is known it is kept as `not_asked`, and asked once somebody is named.

    Args:
        to: the right of the contact it is for, None: the card's contact.
        series: when they are reminded.
        contact: who is asked, if not whom the playbook means.
        undo_until: the mail waits until then.

    Raises:
        Invalid: the playbook has no such request.
    """
    definition = subject.playbook.client_requests.get(key)
    if definition is None:
        raise Invalid("This card's playbook has no such request to the client.")
    older = find_open_request(subject.card.id, key)
    known = dict(older.answers) if older is not None else {}
    if older is not None:
        # At the moment of the move that asks again, by which an undo finds it.
        close_request(older, "replaced by a newer one", subject.visit.entered_at if undo_until else now())
        db.session.flush()
    request = ClientRequest(
        id=new_id(),
        card_id=subject.card.id,
        visit_id=subject.visit.id,
        revision_id=subject.card.revision_id,
        key=key,
        name=definition.name,
        to_right=to,
        status="not_asked",
        # Nobody has to type again what they told us before.
        answers=known,
        files=list(older.files) if older is not None and definition.pages else [],
        due_at=due_at,
        created_at=now(),
        created_by=actor.user_id,
    )
    db.session.add(request)
    db.session.flush()
    contact = contact or settle_recipient(subject, to)
    if contact is None:
        subject.card.client_status = request.status
    else:
        send_request(subject, request, contact, actor=actor, channel=channel, undo_until=undo_until)
    plan_for(subject, request, series)
    return request


def ask_at_gate(subject: Subject, actor: Actor, channel: str, undo_until: datetime | None = None) -> None:
    """Ask for what the card's stage asks of the client, if it is a client gate."""
    gate = subject.stage.client_gate
    if gate is not None:
        open_request(
            subject,
            gate.asks,
            actor=actor,
            due_at=due_after(subject.playbook, subject.stage, now(), gate.due),
            to=gate.to,
            series=gate.reminders,
            channel=channel,
            undo_until=undo_until,
        )


def send_request(
    subject: Subject,
    request: ClientRequest,
    contact: Contact,
    *,
    actor: Actor,
    channel: str,
    undo_until: datetime | None = None,
    about: str | None = None,
) -> None:
    """Mail a contact the link to a request, with what they are shown fixed as it stands now.

    Args:
        about: a message of the playbook to bring it by, if not the request's own.

    Raises:
        Invalid: the contact has no address.
    """
    definition = get_definition(subject, request)
    if not contact.email:
        raise Invalid(
            f"{contact.name} has no email address.", {"contact": "Choose somebody with an address."}
        )
    fix_what_is_shown(subject, request, definition, contact)
    if definition.pages:
        # What they told us before counts more than what we know from elsewhere.
        request.answers = {**first_answers(definition, subject, contact), **request.answers}
    request.status, request.contact_id = "asked", contact.id
    request.asked_at, request.opened_at, request.stuck_reason = now(), None, None
    link = make_link(request, contact)
    mail_about(
        subject,
        request,
        contact,
        about or definition.message,
        link,
        cause=f"request/{request.id}/{link.id}",
        send_after=undo_until,
        visit_id=subject.visit.id if undo_until else None,
    )
    subject.card.client_status = request.status
    # Whom we deal with from now on, where nobody was named.
    subject.card.contact_id = subject.card.contact_id or contact.id
    if not subject.card.waiting_on_client and subject.stage.is_open:
        start_waiting(subject, actor, f"{definition.name}: waits for {contact.name}")
    data = {
        **describe(request),
        "to": {"name": contact.name, "email": contact.email},
        "due_at": request.due_at,
    }
    record_card_event(subject, "card.request.asked", actor, channel, data, undo_until=undo_until)


def fix_what_is_shown(
    subject: Subject, request: ClientRequest, definition: ClientRequestDef, contact: Contact | None
) -> None:
    """Write down what the client is shown, so that what they accept is what they saw."""
    owner = db.session.get(User, subject.card.owner_id)
    request.intro = (
        fill_text(definition.intro, message_values(subject, contact, owner)) if definition.intro else ""
    )
    request.consent = definition.consent
    request.shown = [_shown(subject, key) for key in definition.shows]
    request.shown_hash = hash_shown(shown_values(subject, definition.shows))
    request.documents = [*_documents(subject, definition), *legal_in_force(subject, definition)]


def _shown(subject: Subject, key: str) -> dict[str, Any]:
    definition = subject.playbook.fields[key]
    shown: dict[str, Any] = {"key": key, "name": definition.name, "value": show_field(subject, key)}
    table = show_table(definition, subject.value(key), subject.card.value_currency)
    return {**shown, "table": asdict(table)} if table else shown


def _documents(subject: Subject, definition: ClientRequestDef) -> list[dict[str, Any]]:
    if not definition.documents:
        return []
    attached = attachments_by_card([subject.id]).get(subject.id, [])
    found = []
    for key in definition.documents:
        # The latest of each: an older version is not what is asked about.
        own = [item for item in attached if item.key == key and (item.file_id or item.url)]
        if own:
            name = subject.playbook.evidence[key].name
            file_id = str(own[-1].file_id) if own[-1].file_id else None
            stored = db.session.get(StoredFile, own[-1].file_id) if own[-1].file_id else None
            found.append(
                {
                    "name": name,
                    "title": own[-1].title,
                    "file": file_id,
                    "url": own[-1].url,
                    "sha256": stored.sha256 if stored else None,
                }
            )
    return found


def make_link(request: ClientRequest, contact: Contact, pages: Sequence[str] | None = None) -> ClientLink:
    """Make a link that opens the request for this contact, or only some pages; only its hash is kept."""
    link_id = new_id()
    link = ClientLink(
        id=link_id,
        request_id=request.id,
        contact_id=contact.id,
        pages=list(pages) if pages is not None else None,
        token_hash=hash_token(sealed_token(f"client_links/{link_id}")),
        created_at=now(),
        expires_at=max(request.due_at, now()) + LINK_LASTS,
    )
    db.session.add(link)
    db.session.flush()
    return link


def link_address(link: ClientLink) -> str:
    """Return the link's address as a message to its contact holds it until it is sent: without the token."""
    return f"{base_url()}/c/{placeholder(f'client_links/{link.id}', link.contact_id)}"


def working_links(request_id: uuid.UUID) -> list[ClientLink]:
    """Return the links of a request that still open it, the latest first."""
    found = db.session.scalars(
        sa.select(ClientLink)
        .where(
            ClientLink.request_id == request_id,
            ClientLink.revoked_at.is_(None),
            ClientLink.expires_at > now(),
        )
        .order_by(ClientLink.created_at.desc(), ClientLink.id.desc())
    )
    return list(found)


def find_link(request_id: uuid.UUID, contact_id: uuid.UUID) -> ClientLink | None:
    """Return the latest link that opens the whole request for a contact, or None."""
    links = working_links(request_id)
    return next((link for link in links if link.contact_id == contact_id and link.pages is None), None)


def mail_about(
    subject: Subject,
    request: ClientRequest,
    contact: Contact,
    message: str,
    link: ClientLink,
    *,
    cause: str,
    send_after: datetime | None = None,
    visit_id: int | None = None,
    at_once: bool = False,
) -> OutboxMessage:
    """Owe a contact a message about a request, with the link in it.

    Args:
        at_once: they have just asked for it.
    """
    owner = db.session.get(User, subject.card.owner_id)
    about = AboutRequest(request.name, link_address(link), request.due_at, request.reason)
    definition = subject.playbook.messages[message]
    letter = write_letter(definition, subject, contact=contact, owner=owner, request=about, to_client=True)
    return send_message(
        f"playbook.{message}",
        to_address=contact.email or "",
        to_name=contact.name,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        sms=letter.sms,
        at_once=at_once,
        contact_id=contact.id,
        card_id=subject.card.id,
        visit_id=visit_id,
        request_id=request.id,
        thread=thread_of(subject),
        reply_to=owner.email if owner else None,
        cause=cause,
        # Asking a client twice is a lesser evil than not at all.
        resend_if_unsure=True,
        send_after=send_after,
    )


def thread_of(subject: Subject) -> str:
    """Return the thread of everything that is mailed about the card's journey."""
    return f"journey.{subject.card.journey_id}"


def plan_for(subject: Subject, request: ClientRequest, series: ReminderSeries) -> None:
    """Keep the reminders of a request as it is due now."""
    calendar, due = calendar_of(subject.playbook, subject.stage), request.due_at
    name = f"request:{request.id}"
    plans = [Plan("request", name, step.words, moment_of(step, due, calendar), due) for step in series.steps]
    if series.escalate is not None:
        plans.append(Plan("request", name, ESCALATE, moment_of(series.escalate, due, calendar), due))
    plans.append(Plan("request", name, EXPIRE, due + LINK_LASTS, due))
    plan_reminders(subject.card.id, plans)


def get_request(subject: Subject, request_id: uuid.UUID) -> ClientRequest:
    """Return a request of the card, as the database has it now.

    Raises:
        NotFound: the card has no such request.
    """
    request = db.session.get(ClientRequest, request_id, populate_existing=True)
    if request is None or request.card_id != subject.card.id:
        raise NotFound("This card has no such request to the client.")
    return request


def get_definition(subject: Subject, request: ClientRequest) -> ClientRequestDef:
    """Return what the card's playbook says of a request.

    Raises:
        Invalid: the card was taken over to a revision that no longer has it.
    """
    definition = subject.playbook.client_requests.get(request.key)
    if definition is None:
        raise Invalid(_("The card's playbook no longer has this request. Nothing was changed."))
    return definition


def close_request(request: ClientRequest, why: str, at: datetime) -> None:
    """End a request: its links die, and what was about to be mailed of it is taken back."""
    request.closed_at, request.closed_why = at, why
    cancel_messages_of_request(request.id)
    revoke_links(request.id, at)


def revoke_links(request_id: uuid.UUID, at: datetime) -> int:
    """Revoke every link of a request; return how many worked until now."""
    revoked = db.session.scalars(
        sa.update(ClientLink)
        .where(ClientLink.request_id == request_id, ClientLink.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(ClientLink.id)
        .execution_options(synchronize_session=False)
    )
    return len(revoked.all())


def leave_requests(subject: Subject, at: datetime, *, all_of_them: bool) -> None:
    """End what a card leaves behind unanswered when it moves on: the request of its stage, or all of them."""
    if not subject.has_requests:
        return
    gate = subject.stage.client_gate
    for key, request in requests_by_card([subject.card.id]).get(subject.card.id, {}).items():
        is_of_stage = (gate is not None and gate.asks == key) or request.visit_id == subject.visit.id
        if request.status != "accepted" and (is_of_stage or all_of_them):
            close_request(request, "the card moved on", at)


def take_back_requests(card_id: uuid.UUID, visit_id: int, moved_at: datetime, at: datetime) -> None:
    """Undo what a move did to requests: end those it opened, open those again that it ended."""
    opened = db.session.scalars(
        sa.select(ClientRequest).where(ClientRequest.visit_id == visit_id, ClientRequest.closed_at.is_(None))
    ).all()
    for request in opened:
        close_request(request, "the move was taken back", at)
    db.session.flush()
    ended = db.session.scalars(
        sa.select(ClientRequest).where(
            ClientRequest.card_id == card_id,
            ClientRequest.closed_at == moved_at,
            ClientRequest.visit_id != visit_id,
        )
    ).all()
    for request in ended:
        request.closed_at = request.closed_why = None
        db.session.execute(
            sa.update(ClientLink)
            .where(ClientLink.request_id == request.id, ClientLink.revoked_at == moved_at)
            .values(revoked_at=None)
        )


def let_the_clock_run(subject: Subject, actor: Actor) -> None:
    """Let the clock go on when no request of the card waits for the client any more."""
    db.session.flush()
    waiting = db.session.scalar(
        sa.select(sa.func.count()).where(
            ClientRequest.card_id == subject.card.id,
            ClientRequest.closed_at.is_(None),
            ClientRequest.status.in_(WAITING_STATUSES),
        )
    )
    if not waiting and subject.card.waiting_on_client:
        stop_waiting(subject, actor)


def describe(request: ClientRequest) -> dict[str, Any]:
    """Return what evidence keeps of a request."""
    return {"request": request.id, "key": request.key, "name": request.name}
