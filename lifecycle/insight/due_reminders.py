"""Reminders that are to come and still needed as things stand (E15)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.insight.messages import step_words
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.records.reminders.models import Reminder
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientRequest
from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.meetings.models import Meeting
from lifecycle.work.tasks.models import Task

MOST_LISTED: Final = 20


@dataclass(frozen=True)
class AboutCard:
    """A card as lists name it."""

    id: uuid.UUID
    title: str
    account_id: uuid.UUID
    account_name: str


@dataclass(frozen=True)
class DueReminder:
    """A reminder that is still needed as things stand."""

    kind: str
    about: str
    step: str
    due_at: datetime
    card: AboutCard


def count_due_reminders(until: datetime, *where: sa.ColumnElement[bool]) -> list[tuple[str, int]]:
    """Return (kind, how many) of the reminders that are due until then, the commonest first. One query."""
    query = _due_reminders(sa.select(Reminder.kind, sa.func.count().label("due")), until, *where)
    counts = {row.kind: row.due for row in db.session.execute(query.group_by(Reminder.kind))}
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def list_due_reminders(until: datetime, *where: sa.ColumnElement[bool]) -> list[DueReminder]:
    """Return the next reminders that are due until then, at most 20. One query.

    Args:
        where: further conditions on card, stage or pipeline.
    """
    columns = sa.select(
        Reminder.kind,
        Reminder.step,
        Reminder.due_at,
        _about().label("about"),
        Card.id.label("card_id"),
        Card.title.label("card_title"),
        Account.id.label("account_id"),
        Account.name.label("account_name"),
    )
    query = _due_reminders(columns, until, *where).join(Account, Account.id == Card.account_id)
    rows = db.session.execute(query.order_by(Reminder.due_at, Reminder.id).limit(MOST_LISTED))
    return [
        DueReminder(
            row.kind,
            row.about or "",
            step_words(row.step),
            row.due_at,
            AboutCard(row.card_id, row.card_title, row.account_id, row.account_name),
        )
        for row in rows
    ]


def _still_needed() -> sa.ColumnElement[bool]:
    """Return whether a reminder will be sent as things stand: what it is about is open and due as planned.

    Asked again when its time comes (governance/reminders/kinds.py); this is what one may expect until then.
    """
    subject_id = sa.cast(sa.func.split_part(Reminder.subject, ":", 2), sa.Uuid)

    def stands(model: Any, *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.exists().where(model.id == subject_id, *conditions)

    stay = sa.func.concat("sla:", sa.func.coalesce(StageVisit.continues_visit_id, StageVisit.id))
    asked = ClientRequest.status.in_((*WAITING_STATUSES, "not_asked"))
    due_as_planned = ClientRequest.due_at == Reminder.basis_at
    return sa.case(
        (
            Reminder.kind == "request",
            stands(ClientRequest, ClientRequest.closed_at.is_(None), asked, due_as_planned),
        ),
        (
            Reminder.kind == "task",
            stands(
                Task, Task.done_at.is_(None), Task.cancelled_at.is_(None), Task.due_at == Reminder.basis_at
            ),
        ),
        (
            Reminder.kind == "handoff",
            stands(Handoff, Handoff.state == "offered", Handoff.due_at == Reminder.basis_at),
        ),
        (
            Reminder.kind == "meeting",
            stands(
                Meeting,
                Meeting.held_at.is_(None),
                Meeting.cancelled_at.is_(None),
                Meeting.starts_at == Reminder.basis_at,
            ),
        ),
        (
            Reminder.kind == "sla",
            sa.and_(
                Reminder.subject == stay, Card.sla_due_at == Reminder.basis_at, Card.is_paused.is_(False)
            ),
        ),
        else_=Stage.kind == "open",
    )


def _about() -> sa.ColumnElement[str]:
    """Return what a reminder is about, by its name."""
    subject_id = sa.cast(sa.func.split_part(Reminder.subject, ":", 2), sa.Uuid)

    def named(column: Any, model: Any) -> sa.ScalarSelect[Any]:
        return sa.select(column).where(model.id == subject_id).scalar_subquery()

    return sa.case(
        (Reminder.kind == "request", named(ClientRequest.name, ClientRequest)),
        (Reminder.kind == "task", named(Task.title, Task)),
        (Reminder.kind == "meeting", named(Meeting.title, Meeting)),
        (Reminder.kind == "sla", Stage.name),
        (Reminder.kind == "handoff", Pipeline.name),
        else_=sa.func.coalesce(Reminder.says, ""),
    )


def _due_reminders(
    query: sa.Select[*tuple[Any, ...]], until: datetime, *where: sa.ColumnElement[bool]
) -> sa.Select[*tuple[Any, ...]]:
    return (
        query.select_from(Reminder)
        .join(Card, Card.id == Reminder.card_id)
        .join(StageVisit, StageVisit.id == Card.visit_id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(
            Reminder.state == "pending",
            Reminder.due_at <= until,
            Card.archived_at.is_(None),
            _still_needed(),
            *where,
        )
    )
