"""Everything the page of one card shows."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from lifecycle.core.db import db
from lifecycle.core.expressions import ExpressionError
from lifecycle.governance.cards.subjects import forward_target, get_subject
from lifecycle.governance.cards.waiting import open_pause
from lifecycle.governance.fields.values import ShownTable, show_table, show_value
from lifecycle.governance.gates.context import expression_context, load_facts
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ChecklistDef, FieldDef, Option, SuggestionDef
from lifecycle.governance.sla.clock import SlaView, clock_start, view
from lifecycle.insight.boards.directory import list_people
from lifecycle.insight.boards.view import short_span, sla_label
from lifecycle.insight.cards.gate import GateView, read_gate
from lifecycle.insight.messages import standing_of, with_zone
from lifecycle.records.accounts.countries import country_name
from lifecycle.records.accounts.models import Contact
from lifecycle.records.cards.models import SlaPause, StageVisit
from lifecycle.records.files.thumbnails import Thumbnail, thumbnails_of
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import can, holds_role
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.work.approvals.queries import Approval, approvals_by_card
from lifecycle.work.attachments.models import Attachment
from lifecycle.work.attachments.queries import attachments_by_card
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.client_requests.queries import requests_by_card
from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.handoffs.queries import handoffs_by_card
from lifecycle.work.meetings.models import Meeting
from lifecycle.work.meetings.queries import meetings_by_card
from lifecycle.work.tasks.models import Task
from lifecycle.work.tasks.queries import tasks_by_card, ticks_by_card

# Every card's page asks these, so they are built once.
_BOARD = select(Pipeline.slug, Pipeline.name).where(Pipeline.id == bindparam("pipeline"))
_CONTACTS = (
    select(Contact)
    .where(Contact.account_id == bindparam("account"), Contact.archived_at.is_(None))
    .order_by(Contact.name, Contact.id)
)
_VISITS = (
    select(StageVisit, Stage.name, User.name)
    .join(Stage, Stage.id == StageVisit.stage_id)
    .outerjoin(User, User.id == StageVisit.entered_by)
    .where(StageVisit.card_id == bindparam("card"))
    .order_by(StageVisit.number.desc())
    .limit(60)
)
_MESSAGES = (
    with_zone()
    .where(OutboxMessage.card_id == bindparam("card"))
    .order_by(
        OutboxMessage.state.in_(("held", "due", "claimed", "handing_over")).desc(),
        OutboxMessage.created_at.desc(),
        OutboxMessage.id.desc(),
    )
    .limit(8)
)


@dataclass(frozen=True)
class CardFacts:
    """What was done for a card, as its fixes and its page need it."""

    tasks: list[Task]
    ticks: set[tuple[str, str]]
    meetings: list[Meeting]
    attachments: list[Attachment]
    approvals: dict[str, Approval]
    thumbnails: dict[str, Thumbnail]
    requests: dict[str, ClientRequest]
    handoffs: list[Handoff]
    contacts: list[Contact]
    people: list[tuple[uuid.UUID, str]]

    def task(self, task_id: str) -> Task | None:
        """Return the task with that id."""
        return next((task for task in self.tasks if str(task.id) == task_id), None)

    def meeting(self, meeting_id: str | None) -> Meeting | None:
        """Return the meeting with that id."""
        return next((meeting for meeting in self.meetings if str(meeting.id) == meeting_id), None)

    def handoff(self, handoff_id: str | None) -> Handoff | None:
        """Return the handoff with that id."""
        return next((handoff for handoff in self.handoffs if str(handoff.id) == handoff_id), None)

    def contact_name(self, contact_id: uuid.UUID | None) -> str:
        """Return a contact's name; empty for nobody, or somebody archived."""
        return next((contact.name for contact in self.contacts if contact.id == contact_id), "")

    def name_of(self, user_id: uuid.UUID | None) -> str:
        """Return a person's name; empty for nobody, or somebody who left."""
        return next((name for person, name in self.people if person == user_id), "")


@dataclass(frozen=True)
class ShownField:
    """A field with its value as people read it; `table` has the cells of one that is a table."""

    definition: FieldDef
    value: Any
    shown: str
    table: ShownTable | None = None


@dataclass(frozen=True)
class ShownVisit:
    """One stay in a stage, for the history of a card."""

    id: int
    stage: str
    entered_at: datetime
    left_at: datetime | None
    by: str
    channel: str
    edge: str
    reason: str | None
    stay: str


@dataclass(frozen=True)
class CardPage:
    """A card's page. `gate` leads forward and is None at the end of the path or for a closed card."""

    subject: Subject
    board_url: str
    board_name: str
    gate: GateView | None
    facts: CardFacts
    fields: list[ShownField]
    left_over: list[tuple[str, str]]
    checklists: list[ChecklistDef]
    phases: list[dict[str, Any]]
    clock: SlaView
    clock_label: str
    age_label: str
    owner: str
    contact: Contact | None
    pause: SlaPause | None
    visits: list[ShownVisit]
    messages: Sequence[tuple[OutboxMessage, str]]
    suggestion: SuggestionDef | None
    can_edit: bool

    @property
    def done_checklists(self) -> list[ChecklistDef]:
        """The stage's checklists that the gate above does not show with their boxes."""
        shown = self.gate.unmet_checklists if self.gate else set()
        return [checklist for checklist in self.checklists if checklist.key not in shown]

    @property
    def is_open(self) -> bool:
        """Whether the card can be worked on."""
        return self.subject.stage.is_open and self.subject.card.archived_at is None


def read_card_page(card_id: uuid.UUID, actor: Actor) -> CardPage:
    """Return everything about a card.

    Raises:
        NotFound: there is no such card.
    """
    subject = get_subject(card_id)
    card, at = subject.card, subject.now
    facts = read_facts(card.id, card.account_id)
    target = forward_target(subject.pipeline, subject.stage)
    clock = view(
        subject.playbook,
        subject.stage,
        clock_start(subject.began_at, card.created_at, is_imported=subject.visit.is_imported),
        card.sla_due_at,
        at,
        paused=card.is_paused,
    )
    pipeline = db.session.execute(_BOARD, {"pipeline": card.pipeline_id}).one()
    return CardPage(
        subject=subject,
        board_url=f"/boards/{pipeline.slug}",
        board_name=pipeline.name,
        gate=read_gate(subject, target.key, actor) if target and subject.stage.is_open else None,
        facts=facts,
        fields=_shown_fields(subject),
        left_over=_left_over(subject),
        checklists=_checklists(subject),
        phases=_phases(subject),
        clock=clock,
        clock_label=sla_label(clock),
        age_label=short_span(at - subject.began_at),
        owner=facts.name_of(card.owner_id) or _former(card.owner_id),
        contact=next((contact for contact in facts.contacts if contact.id == card.contact_id), None),
        pause=open_pause(subject.visit.id) if card.waiting_on_client else None,
        visits=_visits(card.id, at),
        messages=_messages(card.id),
        suggestion=_suggestion(subject),
        can_edit=can(actor, "cards.edit"),
    )


def read_facts(card_id: uuid.UUID, account_id: uuid.UUID) -> CardFacts:
    """Return what was done for a card, and who can be chosen for it. Ten queries."""
    attachments = attachments_by_card([card_id]).get(card_id, [])
    file_ids = [str(item.file_id) for item in attachments if item.file_id]
    return CardFacts(
        tasks=tasks_by_card([card_id]).get(card_id, []),
        ticks=ticks_by_card([card_id]).get(card_id, set()),
        meetings=meetings_by_card([card_id]).get(card_id, []),
        attachments=attachments,
        approvals=approvals_by_card([card_id]).get(card_id, {}),
        thumbnails=thumbnails_of(file_ids),
        requests=requests_by_card([card_id]).get(card_id, {}),
        handoffs=handoffs_by_card([card_id]).get(card_id, []),
        contacts=list(db.session.scalars(_CONTACTS, {"account": account_id})),
        people=list_people(),
    )


def may_decide(approval: Approval, actor: Actor) -> bool:
    """Say whether the reader may answer an approval request: they hold the role and did not ask."""
    request = approval.request
    return (
        holds_role(actor, request.role)
        and request.requested_by != actor.user_id
        and all(decision.decided_by != actor.user_id for decision in approval.decisions)
    )


def _former(user_id: uuid.UUID) -> str:
    return db.session.scalar(select(User.name).where(User.id == user_id)) or ""


def _shown_fields(subject: Subject) -> list[ShownField]:
    currency = subject.card.value_currency
    shown = []
    for definition in subject.playbook.fields.values():
        value = subject.value(definition.key)
        is_country = definition.is_column and definition.key == "country"
        words = country_name(value) if is_country else show_value(definition, value, currency)
        table = show_table(definition, value, currency)
        shown.append(ShownField(definition, value, words, table))
    return shown


def _left_over(subject: Subject) -> list[tuple[str, str]]:
    """Return name and value of what is kept in fields that the card's revision has no more."""
    kept = ((key, value) for key, value in subject.card.fields.items() if key not in subject.playbook.fields)
    return [(key.replace("_", " ").capitalize(), _as_kept(value)) for key, value in kept]


def _as_kept(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if not isinstance(value, list):
        return str(value)
    rows = (
        "; ".join(f"{key.replace('_', ' ')}: {cell}" for key, cell in each.items())
        if isinstance(each, dict)
        else str(each)
        for each in value
    )
    return "\n".join(rows)


def _checklists(subject: Subject) -> list[ChecklistDef]:
    names = [
        check.params.name for check in subject.stage.leave + subject.stage.enter if check.type == "checklist"
    ]
    return [subject.playbook.checklists[name] for name in dict.fromkeys(names)]


def _phases(subject: Subject) -> list[dict[str, Any]]:
    phases = list(subject.playbook.phases.values())
    here = subject.stage.phase
    numbers = {phase.key: phase.number for phase in phases}
    current = numbers.get(here or "", 0)
    return [
        {
            "name": phase.name,
            "state": "current" if phase.key == here else "done" if phase.number < current else "ahead",
            "client": phase.is_client_gate,
            "title": phase.purpose or phase.name,
        }
        for phase in phases
    ]


def _visits(card_id: uuid.UUID, at: datetime) -> list[ShownVisit]:
    return [
        ShownVisit(
            id=visit.id,
            stage=stage,
            entered_at=visit.entered_at,
            left_at=visit.left_at,
            by=by or "Lifecycle",
            channel=visit.entered_channel,
            edge=visit.entered_by_edge,
            reason=visit.entered_reason,
            stay=short_span((visit.left_at or at) - visit.entered_at),
        )
        for visit, stage, by in db.session.execute(_VISITS, {"card": card_id})
    ]


def _suggestion(subject: Subject) -> SuggestionDef | None:
    if not subject.stage.suggestions or subject.card.archived_at is not None:
        return None
    names = [name for suggestion in subject.stage.suggestions for name in suggestion.when.names]
    context = expression_context(subject, load_facts([subject.id], names))
    for suggestion in subject.stage.suggestions:
        try:
            if suggestion.when.evaluate(context):
                return suggestion
        except ExpressionError:
            continue
    return None


def _messages(card_id: uuid.UUID) -> Sequence[tuple[OutboxMessage, str]]:
    """Return the latest messages about a card with where they stand, what has not left first."""
    rows = db.session.execute(_MESSAGES, {"card": card_id})
    return [(message, standing_of(message, zone)) for message, zone in rows]


def option_name(options: tuple[Option, ...], key: str | None) -> str:
    """Return an option's name, or its key when the playbook no longer has it."""
    return next((option.name for option in options if option.key == key), key or "")
