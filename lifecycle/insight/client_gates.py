"""Requests to clients as staff see them: all that are open, and one with everything about it (E8)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.fields.values import ShownTable, show_answer, show_table
from lifecycle.governance.gates.checks.client import is_changed
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.insight.ages import age_conditions
from lifecycle.insight.boards.view import short_span
from lifecycle.insight.messages import standing_of, with_zone
from lifecycle.insight.submitted_forms import SubmittedForm, read_submitted_form
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.files.thumbnails import Thumbnail, thumbnails_of
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.records.reminders.models import Reminder
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientLink, ClientRequest
from lifecycle.work.meetings.models import Meeting

PAGE: Final = 50

# What each status is called, and its tone.
STATUS_WORDS: Final[dict[str, tuple[str, str]]] = {
    "not_asked": ("Not asked", "soon"),
    "asked": ("Sent", "client"),
    "opened": ("Opened", "client"),
    "in_progress": ("In progress", "client"),
    "submitted": ("Submitted", "accent"),
    "returned": ("Returned", "client"),
    "accepted": ("Accepted", "passed"),
    "declined": ("Declined", "breach"),
    "expired": ("Expired", "neutral"),
}
FILTERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "waiting": ("Waiting on the client", tuple(sorted(WAITING_STATUSES))),
    "ours": ("Waiting on us", ("submitted", "declined", "expired", "not_asked")),
    "accepted": ("Accepted", ("accepted",)),
    "": ("All", ()),
}


# From when on it is with the client.
ASKED_SINCE: Final = sa.func.coalesce(ClientRequest.asked_at, ClientRequest.created_at)

_REMINDER: Final = "reminder/"


def status_words(status: str, message_state: str | None = None) -> str:
    """Return what a request's status is called; one whose mail has not left says so."""
    if status == "asked" and message_state in ("held", "due", "claimed", "handing_over"):
        return "About to be sent"
    if status == "asked" and message_state in ("failed", "unconfirmed"):
        return "Mail failed" if message_state == "failed" else "Mail unconfirmed"
    return STATUS_WORDS[status][0]


@dataclass(frozen=True)
class GateLine:
    """A request in the overview. `waits` is how long the client has had it."""

    id: uuid.UUID
    name: str
    status: str
    words: str
    tone: str
    account: str
    card_id: uuid.UUID
    card: str
    board: str
    stage: str
    owner: str
    contact: str
    due_at: datetime
    is_late: bool
    waits: str
    reminded: int
    stuck: str | None


def list_client_gates(
    chosen: str, *, owner: uuid.UUID | None = None, age: int | None = None, page: int = 1
) -> tuple[list[GateLine], dict[str, int], bool]:
    """Return a page of open requests by due date, how many there are of each filter, and whether more follow.

    Two queries. Requests of archived cards are left out.

    Args:
        chosen: one of FILTERS. owner: only of the cards of this user. age: only of this one of AGES.
    """
    at = now()
    narrowed: list[sa.ColumnElement[bool]] = [ClientRequest.closed_at.is_(None), Card.archived_at.is_(None)]
    if owner is not None:
        narrowed.append(Card.owner_id == owner)
    if age is not None:
        narrowed.append(age_conditions(ASKED_SINCE, at)[age])
    statuses = FILTERS[chosen][1]
    counts = _counts(narrowed)
    query = (
        sa.select(
            ClientRequest,
            Account.name.label("account"),
            Card.title,
            Pipeline.name.label("board"),
            Stage.name.label("stage"),
            User.name.label("owner"),
            Contact.name.label("contact"),
            _reminded().label("reminded"),
            letter_state().label("message_state"),
        )
        .join(Card, Card.id == ClientRequest.card_id)
        .join(Account, Account.id == Card.account_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(User, User.id == Card.owner_id)
        .outerjoin(Contact, Contact.id == ClientRequest.contact_id)
        .where(*narrowed)
        .order_by(ClientRequest.due_at, ClientRequest.id)
        .limit(PAGE + 1)
        .offset((page - 1) * PAGE)
    )
    if statuses:
        query = query.where(ClientRequest.status.in_(statuses))
    rows = db.session.execute(query).all()
    lines = [
        GateLine(
            id=request.id,
            name=request.name,
            status=request.status,
            words=status_words(request.status, message_state),
            tone=STATUS_WORDS[request.status][1],
            account=account,
            card_id=request.card_id,
            card=card,
            board=board,
            stage=stage,
            owner=owner_name,
            contact=contact or "Nobody yet",
            due_at=request.due_at,
            is_late=request.status in WAITING_STATUSES and request.due_at < at,
            waits=short_span((request.answered_at or at) - (request.asked_at or request.created_at)),
            reminded=reminded,
            stuck=request.stuck_reason if request.status in WAITING_STATUSES else None,
        )
        for request, account, card, board, stage, owner_name, contact, reminded, message_state in rows[:PAGE]
    ]
    return lines, counts, len(rows) > PAGE


def _counts(narrowed: Sequence[sa.ColumnElement[bool]]) -> dict[str, int]:
    by_status = dict(
        db.session.execute(
            sa.select(ClientRequest.status, sa.func.count())
            .join(Card, Card.id == ClientRequest.card_id)
            .where(*narrowed)
            .group_by(ClientRequest.status)
        ).all()
    )
    return {
        key: sum(count for status, count in by_status.items() if not statuses or status in statuses)
        for key, (_, statuses) in FILTERS.items()
    }


def _reminded() -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .where(
            Reminder.subject == sa.func.concat("request:", sa.cast(ClientRequest.id, sa.Text)),
            Reminder.state == "fired",
            Reminder.step.not_in(("escalate", "expire")),
        )
        .correlate(ClientRequest)
        .scalar_subquery()
    )


def letter_state() -> sa.ScalarSelect[str]:
    """Return a subquery for the state of the latest letter that asked, which a reminder of it is not."""
    return (
        sa.select(OutboxMessage.state)
        .where(OutboxMessage.request_id == ClientRequest.id, ~OutboxMessage.cause.startswith(_REMINDER))
        .order_by(OutboxMessage.created_at.desc())
        .limit(1)
        .correlate(ClientRequest)
        .scalar_subquery()
    )


@dataclass(frozen=True)
class GatePage:
    """Everything about one request: the seven things of E8, and what can be done."""

    request: ClientRequest
    subject: Subject
    words: str
    tone: str
    owner: User | None
    contact: Contact | None
    contacts: Sequence[Contact]
    board: str
    links: Sequence[ClientLink]
    reminders: Sequence[Reminder]
    messages: Sequence[tuple[OutboxMessage, str]]
    meetings: Sequence[Meeting]
    given: list[tuple[str, str, ShownTable | None]]
    form: SubmittedForm | None
    thumbnails: dict[str, Thumbnail]
    decided_by: str
    is_changed: bool
    is_late: bool

    @property
    def is_waiting(self) -> bool:
        """Whether the client must act."""
        return self.request.closed_at is None and self.request.status in WAITING_STATUSES

    @property
    def is_submitted(self) -> bool:
        """Whether staff must accept or return it."""
        return self.request.closed_at is None and self.request.status == "submitted"

    @property
    def may_ask_again(self) -> bool:
        """Whether asking anew makes sense."""
        return self.request.closed_at is None and (
            self.request.status in ("not_asked", "declined", "expired") or self.is_changed
        )

    @property
    def coming(self) -> list[Reminder]:
        """The reminders still to come; none once the client need not act."""
        if not (self.is_waiting or self.request.status == "not_asked"):
            return []
        return [
            each
            for each in self.reminders
            if each.state == "pending" and each.basis_at == self.request.due_at and each.step != "expire"
        ]

    @property
    def past(self) -> list[Reminder]:
        """The reminders whose time has come, with what became of them."""
        return [each for each in self.reminders if each.state in ("fired", "skipped")]


def find_request(request_id: uuid.UUID) -> ClientRequest:
    """Return a request to a client. Raises NotFound."""
    request = db.session.get(ClientRequest, request_id, populate_existing=True)
    if request is None:
        raise NotFound("There is no such request to a client.")
    return request


def read_client_gate(request_id: uuid.UUID) -> GatePage:
    """Return the page of a request. About a dozen queries. Raises NotFound."""
    request = find_request(request_id)
    subject = get_subject(request.card_id)
    links = db.session.scalars(
        sa.select(ClientLink)
        .where(ClientLink.request_id == request.id)
        .order_by(ClientLink.created_at.desc())
    ).all()
    messages = db.session.execute(
        with_zone()
        .where(OutboxMessage.request_id == request.id)
        .order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
        .limit(100)
    ).all()
    reminders = db.session.scalars(
        sa.select(Reminder).where(Reminder.subject == f"request:{request.id}").order_by(Reminder.due_at)
    ).all()
    meetings = db.session.scalars(
        sa.select(Meeting)
        .where(Meeting.card_id == request.card_id, Meeting.held_at.is_not(None))
        .order_by(Meeting.held_at.desc())
    ).all()
    contacts = db.session.scalars(
        sa.select(Contact)
        .where(Contact.account_id == subject.account.id, Contact.archived_at.is_(None))
        .order_by(Contact.name)
    ).all()
    decider = db.session.get(User, request.decided_by) if request.decided_by else None
    form = read_submitted_form(subject, request)
    letters = (each for each, _zone in messages if not (each.cause or "").startswith(_REMINDER))
    latest = next((letter.state for letter in letters), None)
    return GatePage(
        request=request,
        subject=subject,
        words="Closed" if request.closed_at else status_words(request.status, latest),
        tone="neutral" if request.closed_at else STATUS_WORDS[request.status][1],
        owner=db.session.get(User, subject.card.owner_id),
        contact=db.session.get(Contact, request.contact_id) if request.contact_id else None,
        contacts=contacts,
        board=db.session.scalars(
            sa.select(Pipeline.name).where(Pipeline.id == subject.card.pipeline_id)
        ).one(),
        links=links,
        reminders=reminders,
        messages=[(message, standing_of(message, zone)) for message, zone in messages],
        meetings=meetings,
        given=[] if form else _given(subject, request),
        form=form,
        thumbnails=thumbnails_of(str(item["id"]) for item in request.files),
        decided_by=decider.name if decider else "",
        is_changed=request.status in ("submitted", "accepted") and is_changed(subject, request),
        is_late=request.status in WAITING_STATUSES and request.closed_at is None and request.due_at < now(),
    )


def _given(subject: Subject, request: ClientRequest) -> list[tuple[str, str, ShownTable | None]]:
    # What is answered reads as it was asked then.
    is_answered = request.status in ("submitted", "accepted")
    playbook = of_revision(request.revision_id) if is_answered else subject.playbook
    definition = playbook.client_requests.get(request.key)
    questions = {question.key: question for question in definition.asks} if definition else {}
    return [
        (question.name, show_answer(question, value), show_table(question, value))
        if (question := questions.get(key))
        else (key, str(value), None)
        for key, value in request.answers.items()
    ]
