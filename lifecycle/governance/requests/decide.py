"""What staff do about a request: send it, remind, extend, accept or return what was sent, revoke its links.

Each takes a subject that `changing_card` holds.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from lifecycle.core.clock import CLOCKS_DIFFER, now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.words import marked
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.waiting import start_waiting
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.gates.checks.client import is_changed
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ReminderSeries
from lifecycle.governance.requests.ask import (
    LINK_LASTS,
    close_request,
    describe,
    find_link,
    get_definition,
    get_request,
    let_the_clock_run,
    mail_about,
    make_link,
    open_request,
    plan_for,
    revoke_links,
    working_links,
)
from lifecycle.governance.sla.clock import due_after
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import Actor
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientLink, ClientRequest, RequestReview
from lifecycle.work.client_requests.queries import find_submission

PAGE = "page"
REMIND_AGAIN_AFTER: Final = timedelta(minutes=1)
LOOK_AT_COMMENTS = marked("Please look at what we wrote beside your answers.")
"""The reason that is kept when staff gave none but comments; clients read it in their language."""


def ask_client(
    subject: Subject,
    actor: Actor,
    key: str,
    *,
    contact_id: uuid.UUID | None = None,
    name: str = "",
    email: str = "",
) -> ClientRequest:
    """Ask the client, or ask again: the contact chosen, somebody named here, or whom the playbook means.

    Raises:
        Invalid: no such request, or nobody to ask.
    """
    gate = subject.stage.client_gate
    ours = gate if gate is not None and gate.asks == key else None
    request = open_request(
        subject,
        key,
        actor=actor,
        due_at=due_after(subject.playbook, subject.stage, now(), ours.due if ours else None),
        to=ours.to if ours else None,
        series=ours.reminders if ours else ReminderSeries(),
        channel=PAGE,
        contact=_chosen(subject, actor, contact_id, name, email),
    )
    if request.status == "not_asked":
        sentence = "Nobody with an email address is known. Choose a contact, or name one here."
        raise Invalid(sentence, {"email": sentence})
    return request


def _chosen(
    subject: Subject, actor: Actor, contact_id: uuid.UUID | None, name: str, email: str
) -> Contact | None:
    if contact_id is not None:
        contact = db.session.get(Contact, contact_id)
        if contact is None or contact.account_id != subject.account.id or contact.archived_at is not None:
            sentence = "Choose a contact of this account."
            raise Invalid(sentence, {"contact": sentence})
        return contact
    if not email.strip():
        return None
    return create_contact(subject.account.id, {"name": name.strip() or email, "email": email}, actor=actor)


def remind_client(subject: Subject, actor: Actor, request_id: uuid.UUID) -> None:
    """Remind the client now.

    Raises:
        Invalid: they need not act, nobody was asked, or they were reminded a moment ago.
    """
    request = _waiting(subject, request_id)
    if _was_reminded_since(request, now() - REMIND_AGAIN_AFTER):
        raise Invalid("They were reminded a moment ago. Nothing was sent; give them a minute.")
    contact = _contact(request)
    message = get_definition(subject, request).reminder or get_definition(subject, request).message
    link = working_link(request, contact)
    mail_about(subject, request, contact, message, link, cause=f"{_by_hand(request)}{now().isoformat()}")
    data = {**describe(request), "to": {"name": contact.name, "email": contact.email}}
    record_card_event(subject, "card.request.reminded", actor, PAGE, data)


def _by_hand(request: ClientRequest) -> str:
    return f"request/{request.id}/by-hand/"


def _was_reminded_since(request: ClientRequest, at: datetime) -> bool:
    # What a clock that has been set back since has stamped lies ahead, and says nothing.
    found = sa.select(OutboxMessage.id).where(
        OutboxMessage.card_id == request.card_id,
        OutboxMessage.request_id == request.id,
        OutboxMessage.cause.startswith(_by_hand(request)),
        OutboxMessage.created_at.between(at, now() + CLOCKS_DIFFER),
    )
    return db.session.scalar(found.limit(1)) is not None


def working_link(request: ClientRequest, contact: Contact) -> ClientLink:
    """Return a link that opens the request for a contact, a new one where none works any more."""
    return find_link(request.id, contact.id) or make_link(request, contact)


def extend_request(subject: Subject, actor: Actor, request_id: uuid.UUID, due_at: datetime) -> None:
    """Give the client until another time; the reminders follow.

    Raises:
        Invalid: that time has passed, or the request is answered.
    """
    request = _waiting(subject, request_id)
    if due_at <= now():
        raise Invalid("Give a time to come.", {"due": "Give a time to come."})
    before, request.due_at = request.due_at, due_at
    for link in working_links(request.id):
        link.expires_at = due_at + LINK_LASTS
    gate = subject.stage.client_gate
    plan_for(subject, request, gate.reminders if gate and gate.asks == request.key else ReminderSeries())
    data = {**describe(request), "before": before, "due_at": due_at}
    record_card_event(subject, "card.request.extended", actor, PAGE, data)


def accept_submission(
    subject: Subject, actor: Actor, request_id: uuid.UUID, seen: datetime | None = None
) -> None:
    """Accept what the client submitted.

    Args:
        seen: when that was sent which `actor` has read; None: whatever was sent last.

    Raises:
        Conflict: nothing is submitted, another answer than the one seen, or what they were shown has changed.
    """
    request = _submitted(subject, request_id, seen)
    if is_changed(subject, request):
        raise Conflict("What the client was shown has changed since. Ask them again instead.")
    request.status, request.decided_at, request.decided_by = "accepted", now(), actor.user_id
    subject.card.client_status = request.status
    _review(request, actor, "accepted")
    record_card_event(subject, "card.request.accepted", actor, PAGE, describe(request))


def return_submission(
    subject: Subject,
    actor: Actor,
    request_id: uuid.UUID,
    reason: str,
    comments: Mapping[str, str] | None = None,
    seen: datetime | None = None,
) -> None:
    """Return what the client submitted, saying what to mend; the clock waits for them again.

    Args:
        comments: sentences by question of a form; the client then sees these questions and no others.
        seen: as `accept_submission` has it.

    Raises:
        Conflict: nothing is submitted; Invalid: neither a reason nor a comment.
    """
    request = _submitted(subject, request_id, seen)
    text = clean_text(reason, keep_lines=True)[:2000]
    about = _comments(subject, request, comments or {})
    if not text and not about:
        raise Invalid("Say what to mend.", {"reason": "Say what to mend."})
    text = text or LOOK_AT_COMMENTS
    _review(request, actor, "returned", text, about)
    request.status, request.reason, request.comments = "returned", text, about
    request.decided_at, request.decided_by = now(), actor.user_id
    _give_time_anew(subject, request)
    subject.card.client_status = request.status
    if not subject.card.waiting_on_client and subject.stage.is_open:
        start_waiting(subject, actor, f"{request.name}: returned to the client")
    data = {**describe(request), **({"comments": about} if about else {})}
    record_card_event(subject, "card.request.returned", actor, PAGE, data, reason=text)


def _comments(subject: Subject, request: ClientRequest, given: Mapping[str, str]) -> dict[str, str]:
    asked = {question.key for question in get_definition(subject, request).asks}
    cleaned = {key: clean_text(text, keep_lines=True)[:2000] for key, text in given.items() if key in asked}
    return {key: text for key, text in cleaned.items() if text}


def _review(
    request: ClientRequest,
    actor: Actor,
    outcome: str,
    reason: str = "",
    comments: Mapping[str, str] | None = None,
) -> None:
    submission = find_submission(request.id)
    # What was submitted before submissions were kept has none.
    if submission is not None:
        db.session.add(
            RequestReview(
                submission_id=submission.id,
                outcome=outcome,
                reason=reason,
                comments=dict(comments or {}),
                reviewed_by=actor.user_id,
            )
        )
    db.session.flush()


def _give_time_anew(subject: Subject, request: ClientRequest) -> None:
    """Give as much time to mend as there was to answer, and remind of it again."""
    gate = subject.stage.client_gate
    ours = gate if gate is not None and gate.asks == request.key else None
    due_at = due_after(subject.playbook, subject.stage, now(), ours.due if ours else None)
    request.due_at = max(request.due_at, due_at)
    plan_for(subject, request, ours.reminders if ours else ReminderSeries())


def revoke_request_links(subject: Subject, actor: Actor, request_id: uuid.UUID) -> None:
    """Make every link of a request useless at once."""
    request = get_request(subject, request_id)
    count = revoke_links(request.id, now())
    record_card_event(subject, "card.request.revoked", actor, PAGE, {**describe(request), "links": count})


def withdraw_request(subject: Subject, actor: Actor, request_id: uuid.UUID) -> None:
    """Take a request back; its links open nothing any more.

    Raises:
        Conflict: the client accepted it already.
    """
    request = get_request(subject, request_id)
    if request.status == "accepted":
        raise Conflict("The client has accepted this. It stays on record.")
    if request.closed_at is not None:
        return
    close_request(request, "withdrawn", now())
    subject.card.client_status = None
    let_the_clock_run(subject, actor)
    record_card_event(subject, "card.request.withdrawn", actor, PAGE, describe(request))


def _waiting(subject: Subject, request_id: uuid.UUID) -> ClientRequest:
    request = get_request(subject, request_id)
    if request.closed_at is not None or request.status not in WAITING_STATUSES:
        raise Conflict("The client need not act on this now. Nothing was changed.")
    return request


def _submitted(subject: Subject, request_id: uuid.UUID, seen: datetime | None) -> ClientRequest:
    request = get_request(subject, request_id)
    if request.closed_at is not None or request.status != "submitted":
        raise Conflict("Nothing is submitted that could be accepted or returned. Nothing was changed.")
    if seen is not None and seen != request.answered_at:
        raise Conflict("The client has sent it anew since you looked. Read it, then decide again.")
    return request


def _contact(request: ClientRequest) -> Contact:
    contact = db.session.get(Contact, request.contact_id) if request.contact_id else None
    if contact is None or not contact.email:
        raise Invalid("Nobody with an email address was asked. Ask again, and choose somebody.")
    return contact
