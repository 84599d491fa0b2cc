"""What each kind of reminder does at its time: nothing if what it is about is done or due another time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.handoffs.offer import members_of
from lifecycle.governance.requests.ask import describe, get_definition, let_the_clock_run, mail_about
from lifecycle.governance.requests.decide import working_link
from lifecycle.governance.sla.alerts import BREACHED, DUE_SOON, sla_subject
from lifecycle.records.accounts.models import Contact
from lifecycle.records.inbox.record import tell
from lifecycle.records.outbox.letters import base_url, send_letter
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.people.models import User
from lifecycle.records.reminders.models import Reminder
from lifecycle.records.reminders.record import ESCALATE, EXPIRE
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientRequest
from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.meetings.models import Meeting
from lifecycle.work.tasks.models import Task

CHANNEL: Final = "reminder"


@dataclass(frozen=True)
class Outcome:
    """What became of a reminder, in a sentence for people."""

    state: Literal["fired", "cancelled", "skipped"]
    says: str


_DONE = Outcome("cancelled", "It was done by then.")
_MOVED = Outcome("cancelled", "It is due another time by now.")


def _alert(
    subject: Subject,
    reminder: Reminder,
    people: Iterable[uuid.UUID],
    title: str,
    *,
    body: str | None = None,
    link: str | None = None,
    mails: bool = True,
) -> str:
    """Tell people in the app, and by mail where it is late; return whom, in words."""
    wanted = list(dict.fromkeys(people))
    path = link or f"/cards/{subject.card.id}"
    tell(
        wanted,
        title=title,
        body=body,
        link=path,
        cause=f"reminder/{reminder.id}",
        tone="alert",
        card_id=subject.card.id,
    )
    found = db.session.scalars(
        sa.select(User).where(User.id.in_(wanted), User.is_active).order_by(User.name)
    ).all()
    words = {"title": title, "body": body, "link": base_url() + path}
    for person in found if mails else ():
        send_letter(
            "alert",
            words,
            to_address=person.email,
            to_name=person.name,
            user_id=person.id,
            card_id=subject.card.id,
            cause=f"reminder/{reminder.id}/{person.id}",
            resend_if_unsure=True,
        )
    return "Told " + (", ".join(person.name for person in found) or "nobody: no one is there") + "."


def _owner_and_managers(subject: Subject, department: str | None = None) -> list[uuid.UUID]:
    managers = members_of([department or subject.card.department_key], managers_only=True)
    return [subject.card.owner_id, *managers]


def _card(subject: Subject) -> str:
    return f"{subject.account.name}: {subject.card.title}"


def _id(reminder: Reminder) -> uuid.UUID:
    return uuid.UUID(reminder.subject.partition(":")[2])


# --- each kind ---


def remind_of_request(subject: Subject, reminder: Reminder) -> Outcome:
    """Mail the client again, tell the owner and their manager, or let the request expire."""
    request = db.session.get(ClientRequest, _id(reminder), populate_existing=True)
    if (
        request is None
        or request.closed_at is not None
        or request.status not in (*WAITING_STATUSES, "not_asked")
    ):
        return _DONE
    if request.due_at != reminder.basis_at:
        return _MOVED
    if reminder.step == EXPIRE:
        return _expire(subject, request)
    if reminder.step == ESCALATE or request.status == "not_asked":
        why = f"The client has not answered {request.name}."
        if request.status == "not_asked":
            why = f"{request.name} was never sent: nobody with an email address is known."
        people = _owner_and_managers(subject)
        says = _alert(
            subject, reminder, people, f"{_card(subject)}: {why}", link=f"/client-gates/{request.id}"
        )
        return Outcome("fired", says)
    contact = db.session.get(Contact, request.contact_id) if request.contact_id else None
    if contact is None or not contact.email or contact.archived_at is not None:
        says = _alert(
            subject,
            reminder,
            [subject.card.owner_id],
            f"{_card(subject)}: nobody can be reminded of {request.name}",
            link=f"/client-gates/{request.id}",
        )
        return Outcome("fired", says)
    definition = get_definition(subject, request)
    message = definition.reminder or definition.message
    mail_about(
        subject, request, contact, message, working_link(request, contact), cause=f"reminder/{reminder.id}"
    )
    to = {"to": {"name": contact.name, "email": contact.email}, "step": reminder.step}
    record_card_event(subject, "card.request.reminded", SYSTEM, CHANNEL, {**describe(request), **to})
    return Outcome("fired", f"Reminded {contact.name} ({contact.email}).")


def _expire(subject: Subject, request: ClientRequest) -> Outcome:
    request.status = "expired"
    subject.card.client_status = request.status
    record_card_event(subject, "card.request.expired", SYSTEM, CHANNEL, describe(request))
    let_the_clock_run(subject, SYSTEM)
    return Outcome("fired", "The request expired without an answer.")


def remind_of_task(subject: Subject, reminder: Reminder) -> Outcome:
    """Remind whoever has the task; escalate to the owner and their manager."""
    task = db.session.get(Task, _id(reminder), populate_existing=True)
    if task is None or task.done_at is not None or task.cancelled_at is not None:
        return _DONE
    if task.due_at != reminder.basis_at:
        return _MOVED
    assignee = task.assignee_id or subject.card.owner_id
    if reminder.step == ESCALATE:
        people = [assignee, *_owner_and_managers(subject)]
        return Outcome(
            "fired", _alert(subject, reminder, people, f"{_card(subject)}: “{task.title}” is still open")
        )
    is_late = reminder.due_at >= reminder.basis_at
    title = (
        f"{_card(subject)}: “{task.title}” is due"
        if is_late
        else f"{_card(subject)}: “{task.title}” is due soon"
    )
    return Outcome("fired", _alert(subject, reminder, [assignee], title, mails=is_late))


def alert_on_sla(subject: Subject, reminder: Reminder) -> Outcome:
    """Say that a card is due soon, late, or late for long; each is evidence and can set off rules."""
    card = subject.card
    if reminder.subject != sla_subject(subject.visit):
        return Outcome("cancelled", "The card left the stage in time.")
    if card.is_paused:
        return Outcome("cancelled", "The clock stood still: the client was awaited.")
    if card.sla_due_at != reminder.basis_at:
        return _MOVED
    stage = subject.stage.name
    data = {"due_at": card.sla_due_at}
    if reminder.step == DUE_SOON:
        record_card_event(subject, "card.sla.due_soon", SYSTEM, CHANNEL, data)
        title = f"{_card(subject)} is due soon in {stage}"
        return Outcome("fired", _alert(subject, reminder, [card.owner_id], title, mails=False))
    is_breach = reminder.step == BREACHED
    record_card_event(
        subject, "card.sla.breached" if is_breach else "card.sla.escalated", SYSTEM, CHANNEL, data
    )
    title = f"{_card(subject)} is over its time in {stage}"
    if not is_breach:
        title = f"{_card(subject)} is still over its time in {stage}"
    return Outcome("fired", _alert(subject, reminder, _owner_and_managers(subject), title))


def remind_of_handoff(subject: Subject, reminder: Reminder) -> Outcome:
    """Remind the receiving department; escalate to its managers and to whoever handed over."""
    handoff = db.session.get(Handoff, _id(reminder), populate_existing=True)
    if handoff is None or handoff.state != "offered":
        return _DONE
    if handoff.due_at != reminder.basis_at:
        return _MOVED
    title = f"{_card(subject)} waits to be accepted or returned"
    people = members_of([handoff.to_department])
    if reminder.step == ESCALATE:
        giver = db.session.scalar(
            sa.text("select owner_id from cards where id = :id"), {"id": handoff.from_card_id}
        )
        people = [*members_of([handoff.to_department], managers_only=True), *([giver] if giver else [])]
    return Outcome("fired", _alert(subject, reminder, people, title))


def remind_of_meeting(subject: Subject, reminder: Reminder) -> Outcome:
    """Remind the owner of a planned meeting."""
    meeting = db.session.get(Meeting, _id(reminder), populate_existing=True)
    if meeting is None or meeting.held_at is not None or meeting.cancelled_at is not None:
        return _DONE
    if meeting.starts_at != reminder.basis_at:
        return _MOVED
    if meeting.starts_at <= now():
        return Outcome("skipped", "The meeting had begun when this could be sent.")
    title = f"{_card(subject)}: {meeting.title} is coming up"
    return Outcome("fired", _alert(subject, reminder, [subject.card.owner_id], title))


def remind_of_series(subject: Subject, reminder: Reminder) -> Outcome:
    """Remind the owner as a rule has said; a closed card needs no more of it."""
    if not subject.stage.is_open:
        return Outcome("cancelled", "The card was closed.")
    words = reminder.subject.rpartition(":")[2].replace("_", " ")
    title = f"{_card(subject)}: {reminder.says or words}"
    return Outcome("fired", _alert(subject, reminder, [subject.card.owner_id], title))


KINDS: Final[dict[str, Callable[[Subject, Reminder], Outcome]]] = {
    "request": remind_of_request,
    "task": remind_of_task,
    "sla": alert_on_sla,
    "handoff": remind_of_handoff,
    "meeting": remind_of_meeting,
    "series": remind_of_series,
}
