"""Finishing a stage visit and opening the next: the only writers of stages and visits."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm.attributes import set_committed_value

from lifecycle.core.clock import now
from lifecycle.core.db import db, insert_row, insert_soon
from lifecycle.core.ids import new_id
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import StageDef
from lifecycle.governance.moves.assign import assignee_of
from lifecycle.governance.moves.order import board_order
from lifecycle.governance.sla.clock import Span, deadline, due_after, split_time
from lifecycle.records.cards.models import SlaPause, StageVisit
from lifecycle.records.people.actor import Actor
from lifecycle.work.tasks.models import Task

_LEFT = ("left_at", "left_by", "left_channel", "our_seconds", "client_seconds")
_ENTERED = (
    "card_id",
    "number",
    "stage_id",
    "revision_id",
    "owner_id",
    "department_key",
    "entered_at",
    "entered_by",
    "entered_channel",
    "entered_by_edge",
    "entered_reason",
    "answers",
    "gate_report_id",
    "continues_visit_id",
    "is_imported",
    "sla_due_at",
)
# Every move runs this, so it is built once. The new visit is selected from the one that is left, which is so
# written first: a card never has two that are open.
_visits = StageVisit.__table__
_left_visit = (
    update(_visits)  # type: ignore[arg-type]
    .where(_visits.c.id == bindparam("left_visit"))
    .values({name: bindparam(f"of_{name}") for name in _LEFT})
    .returning(_visits.c.id)
    .cte("left_visit")
)
_PASS_ON = (
    insert(_visits)  # type: ignore[arg-type]
    .from_select(
        _ENTERED,
        select(*(bindparam(f"new_{name}", type_=_visits.c[name].type) for name in _ENTERED)).select_from(
            _left_visit
        ),
    )
    .returning(_visits.c.id)
)
_MADE = ("id", "card_id", "visit_id", "key", "title", "assignee_id", "due_at", "created_at")


def after(visit: StageVisit) -> datetime:
    """Return the present, or just after the visit began if a clock was set back meanwhile."""
    return max(now(), visit.entered_at + timedelta(microseconds=1))


@dataclass(frozen=True)
class Leaving:
    """How an open visit ends: the values of its columns."""

    visit: StageVisit
    values: Mapping[str, Any]


def finish_visit(subject: Subject, actor: Actor, channel: str, at: datetime) -> Leaving:
    """Return how the open visit ends, its business time split into ours and the client's.

    It is written with the visit that follows (`open_visit`); its pauses end now.
    """
    visit = subject.visit
    pauses = (
        list(db.session.scalars(select(SlaPause).where(SlaPause.visit_id == visit.id)))
        if (subject.card.waiting_on_client or _may_have_paused(subject))
        else []
    )
    for pause in pauses:
        if pause.ended_at is None:
            pause.ended_at, pause.ended_by = at, actor.user_id
    ours, theirs = split_time(
        subject.playbook,
        subject.stage,
        visit.entered_at,
        at,
        [Span(pause.started_at, pause.ended_at) for pause in pauses],
    )
    if db.session.dirty:
        # What is changed of the visit and its pauses must be written while it is open.
        db.session.flush()
    return Leaving(
        visit,
        {
            "left_at": at,
            "left_by": actor.user_id,
            "left_channel": channel,
            "our_seconds": ours,
            "client_seconds": theirs,
        },
    )


def _may_have_paused(subject: Subject) -> bool:
    # A deadline that moved tells of an earlier pause; without a deadline nothing tells, so it is looked up.
    if subject.visit.revision_id != subject.card.revision_id:
        return True
    first = deadline(subject.playbook, subject.stage, subject.visit.entered_at)
    return first is None or first != subject.visit.sla_due_at


def open_visit(
    *,
    card_id: uuid.UUID,
    number: int,
    stage_id: int,
    revision_id: int,
    owner_id: uuid.UUID,
    department: str,
    at: datetime,
    actor: Actor,
    channel: str,
    edge: str,
    due_at: datetime | None,
    reason: str | None = None,
    answers: dict[str, Any] | None = None,
    gate_report_id: int | None = None,
    continues_visit_id: int | None = None,
    leaving: Leaving | None = None,
) -> int:
    """Write a new open visit and return its id; with it the end of the one that is left, if any."""
    values = {
        "card_id": card_id,
        "number": number,
        "stage_id": stage_id,
        "revision_id": revision_id,
        "owner_id": owner_id,
        "department_key": department,
        "entered_at": at,
        "entered_by": actor.user_id,
        "entered_channel": channel,
        "entered_by_edge": edge,
        "entered_reason": reason,
        "answers": answers or {},
        "gate_report_id": gate_report_id,
        "continues_visit_id": continues_visit_id,
        "is_imported": False,
        "sla_due_at": due_at,
    }
    return insert_row(StageVisit, **values) if leaving is None else _pass_on(leaving, values)


def _pass_on(leaving: Leaving, entered: Mapping[str, Any]) -> int:
    left = {f"of_{name}": value for name, value in leaving.values.items()}
    new = {f"new_{name}": value for name, value in entered.items()}
    values = {"left_visit": leaving.visit.id, **left, **new}
    visit_id: int = db.session.connection().execute(_PASS_ON, values).scalar_one()
    for name, value in leaving.values.items():
        set_committed_value(leaving.visit, name, value)
    return visit_id


def stand_in(subject: Subject, stage: StageDef, stage_id: int, visit_id: int, at: datetime) -> None:
    """Put the card into the stage whose visit was just opened: clock, next action, order."""
    card, playbook = subject.card, subject.playbook
    due = deadline(playbook, stage, at)
    card.stage_id, card.visit_id = stage_id, visit_id
    card.sla_due_at = due
    card.is_paused = card.waiting_on_client = False
    card.board_order = board_order(stage, due, at)
    if not stage.is_open:
        card.next_action = card.next_action_due_at = card.next_action_assignee_id = None
    elif stage.next_action is not None:
        card.next_action = stage.next_action.text
        card.next_action_due_at = due_after(playbook, stage, at, stage.next_action.due)
        card.next_action_assignee_id = card.owner_id


def make_tasks(subject: Subject, stage: StageDef, visit_id: int, at: datetime) -> list[Task]:
    """Create the stage's tasks for the card that entered it, and return them."""
    made = [
        Task(
            id=new_id(),
            card_id=subject.card.id,
            visit_id=visit_id,
            key=task.key,
            title=task.title,
            assignee_id=assignee_of(task.assignee, subject.card.owner_id),
            due_at=due_after(subject.playbook, stage, at, task.due),
            created_at=at,
        )
        for task in stage.tasks
    ]
    insert_soon(Task, [{name: getattr(task, name) for name in _MADE} for task in made])
    return made


def revive_tasks(card_id: uuid.UUID, visit: StageVisit) -> None:
    """Open the tasks again that the move which opened `visit` cancelled."""
    db.session.execute(
        update(Task)
        .where(Task.card_id == card_id, Task.cancelled_at == visit.entered_at, Task.visit_id != visit.id)
        .values(cancelled_at=None)
    )


def hand_on_tasks(card_id: uuid.UUID, visit_id: int, to_visit_id: int) -> None:
    """Give the tasks of a visit to the one that continues it, where `task: all` looks for them."""
    db.session.execute(
        update(Task).where(Task.card_id == card_id, Task.visit_id == visit_id).values(visit_id=to_visit_id)
    )


def cancel_open_tasks(card_id: uuid.UUID, at: datetime, visit_id: int | None = None) -> None:
    """Cancel the playbook's open tasks of a card, or of one visit; tasks people made stay."""
    where = [
        Task.card_id == card_id,
        Task.key.is_not(None),
        Task.done_at.is_(None),
        Task.cancelled_at.is_(None),
    ]
    if visit_id is not None:
        where.append(Task.visit_id == visit_id)
    db.session.execute(update(Task).where(*where).values(cancelled_at=at))
