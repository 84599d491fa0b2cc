"""Handing a card's work over: a card in the next pipeline, with what the playbook declares it carries."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.durations import parse_duration
from lifecycle.core.ids import new_id
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.limits import enter
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.reminders import moment_of
from lifecycle.governance.messages.letters import rights_in_words, show_field
from lifecycle.governance.moves.assign import assignee_of
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.rules.actions import HandoffParams
from lifecycle.governance.sla.clock import calendar_of
from lifecycle.records.accounts.models import Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.inbox.record import tell
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.models import User, UserDepartment
from lifecycle.records.playbooks.models import Stage
from lifecycle.records.reminders.record import ESCALATE, Plan, plan_reminders
from lifecycle.work.attachments.queries import attachments_by_card
from lifecycle.work.handoffs.models import Handoff

CHANNEL = "handoff"


def find_handoff(from_card_id: uuid.UUID, to_pipeline: str) -> Handoff | None:
    """Return the handoff of a card to a pipeline, or None."""
    return db.session.scalar(
        sa.select(Handoff)
        .where(Handoff.from_card_id == from_card_id, Handoff.to_pipeline == to_pipeline)
        .execution_options(populate_existing=True)
    )


def offer_handoff(subject: Subject, params: HandoffParams, actor: Actor, note: str | None = None) -> Handoff:
    """Hand a card's work over, or over again after it was returned; one that is offered or accepted stays.

    The caller holds the card. The receiving card takes over the carried fields, the contact, the value and
    the journey. Its team is told, and reminded until it answers.
    """
    handoff = find_handoff(subject.card.id, params.to)
    if handoff is not None and handoff.state in ("offered", "accepted"):
        return handoff
    due_at = calendar_of(subject.playbook, subject.stage).add(now(), parse_duration(params.accept_within))
    if handoff is None:
        handoff = _first_offer(subject, params, due_at, actor)
    else:
        _offer_again(subject, handoff, params, due_at, actor)
    handoff.note = note
    handoff.context = context_of(subject, params)
    db.session.flush()
    _plan(subject, handoff)
    _tell_receivers(subject, handoff)
    record_card_event(subject, "card.handoff.offered", actor, CHANNEL, describe(handoff), reason=note)
    return handoff


def _first_offer(subject: Subject, params: HandoffParams, due_at: datetime, actor: Actor) -> Handoff:
    playbook, card = subject.playbook, subject.card
    target = playbook.pipeline(params.to)
    carried = {
        key: card.fields[key]
        for key in dict.fromkeys((*params.carries, *params.promises))
        if playbook.fields[key].of == "card" and card.fields.get(key) not in (None, "", [])
    }
    made = create_card(
        target.slug,
        actor=SYSTEM,
        channel=CHANNEL,
        account_id=subject.account.id,
        title=card.title,
        value_amount=card.value_amount,
        value_currency=card.value_currency,
        contact_id=card.contact_id,
        fields=carried,
        fallback_owner_id=assignee_of(target.department, card.owner_id),
        journey_id=card.journey_id,
        asks_client=False,
    )
    handoff = Handoff(
        id=new_id(),
        from_card_id=card.id,
        to_card_id=made.id,
        from_pipeline=subject.pipeline.key,
        to_pipeline=params.to,
        to_department=target.department,
        state="offered",
        round=1,
        offered_at=now(),
        offered_by=actor.user_id,
        due_at=due_at,
    )
    db.session.add(handoff)
    return handoff


def _offer_again(
    subject: Subject, handoff: Handoff, params: HandoffParams, due_at: datetime, actor: Actor
) -> None:
    handoff.state, handoff.round = "offered", handoff.round + 1
    handoff.offered_at, handoff.offered_by, handoff.due_at = now(), actor.user_id, due_at
    handoff.answered_at = handoff.answered_by = None
    receiving = db.session.get(Card, handoff.to_card_id, populate_existing=True, with_for_update=True)
    assert receiving is not None
    if receiving.archived_at is not None:
        enter(db.session.get_one(Stage, receiving.stage_id), actor)
    receiving.archived_at = None
    receiving.version += 1
    # What was mended on this side is carried along again; what they filled in themselves stays.
    keys = (*params.carries, *params.promises)
    carried = {key: subject.card.fields[key] for key in keys if key in subject.card.fields}
    receiving.fields = {**receiving.fields, **carried}


def context_of(subject: Subject, params: HandoffParams) -> dict[str, Any]:
    """Return what is handed over, as people read it."""
    attached = attachments_by_card([subject.id]).get(subject.id, [])
    files = [
        {
            "name": subject.playbook.evidence[item.key].name,
            "title": item.title,
            "file": item.file_id,
            "url": item.url,
        }
        for item in attached
        if item.key in params.evidence
    ]
    contacts = db.session.scalars(
        sa.select(Contact)
        .where(Contact.account_id == subject.account.id, Contact.archived_at.is_(None))
        .order_by(Contact.name)
    )
    return {
        "fields": _shown(subject, params.carries),
        "promises": _shown(subject, params.promises),
        "files": [{**item, "file": str(item["file"]) if item["file"] else None} for item in files],
        "contacts": [
            {
                "name": each.name,
                "email": each.email,
                "phone": each.phone,
                "rights": rights_in_words(each.rights),
            }
            for each in contacts
        ],
    }


def _shown(subject: Subject, keys: Iterable[str]) -> list[dict[str, str]]:
    return [
        {"key": key, "name": subject.playbook.fields[key].name, "value": show_field(subject, key)}
        for key in keys
    ]


def _plan(subject: Subject, handoff: Handoff) -> None:
    series, due = subject.playbook.handoff_reminders, handoff.due_at
    calendar = calendar_of(subject.playbook, subject.stage)
    name = f"handoff:{handoff.id}"
    plans = [Plan("handoff", name, step.words, moment_of(step, due, calendar), due) for step in series.steps]
    if series.escalate is not None:
        plans.append(Plan("handoff", name, ESCALATE, moment_of(series.escalate, due, calendar), due))
    plan_reminders(handoff.to_card_id, plans)


def _tell_receivers(subject: Subject, handoff: Handoff) -> None:
    tell(
        members_of([handoff.to_department]),
        title=f"{subject.pipeline.name} hands {subject.account.name} over to you: {subject.card.title}",
        body="Accept it, or return it with a reason.",
        link=f"/cards/{handoff.to_card_id}",
        cause=f"handoff/{handoff.id}/{handoff.round}",
        tone="act",
        card_id=handoff.to_card_id,
    )


def members_of(departments: Iterable[str], *, managers_only: bool = False) -> list[uuid.UUID]:
    """Return who works in these departments and may act, or their managers only."""
    wanted = User.role == "manager" if managers_only else User.role != "viewer"
    return list(
        db.session.scalars(
            sa.select(User.id)
            .join(UserDepartment, UserDepartment.user_id == User.id)
            .where(UserDepartment.department_key.in_(list(departments)), User.is_active, wanted)
            .distinct()
            .order_by(User.id)
        )
    )


def describe(handoff: Handoff) -> dict[str, Any]:
    """Return what evidence keeps of a handoff."""
    return {
        "handoff": handoff.id,
        "from_pipeline": handoff.from_pipeline,
        "to_pipeline": handoff.to_pipeline,
        "from_card": handoff.from_card_id,
        "to_card": handoff.to_card_id,
        "round": handoff.round,
        "context": handoff.context,
    }
