"""What follows from entering a stage, and taking it back with the move (E11, E12, E15, E23)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import StageDef
from lifecycle.governance.language.reminders import moment_of
from lifecycle.governance.requests.ask import ask_at_gate, leave_requests, take_back_requests
from lifecycle.governance.sla.alerts import sla_plans
from lifecycle.governance.sla.clock import calendar_of
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.cards.models import StageVisit
from lifecycle.records.inbox.models import Notice
from lifecycle.records.outbox.compose import cancel_messages_of_visit
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import Actor
from lifecycle.records.reminders.record import ESCALATE, Plan, plan_reminders
from lifecycle.work.tasks.models import Task

_TOO_LATE = "What follows from this move has begun ({what}); move the card back by hand instead."


def leave_behind(subject: Subject, target: StageDef, at: datetime) -> None:
    """End what belongs to the stage that is left: requests that the client has not accepted."""
    leave_requests(subject, at, all_of_them=not target.is_open)
    subject.card.client_status = None


def begin_stay(
    subject: Subject,
    tasks: Sequence[Task],
    actor: Actor,
    channel: str,
    undo_until: datetime | None,
    *,
    asks_client: bool = True,
) -> None:
    """Do what entering a stage brings with it: ask the client, and plan alerts and reminders.

    Args:
        subject: the card as it stands in the stage now.
        tasks: those that the stage has made.
        undo_until: mail waits until then.
    """
    if asks_client:
        ask_at_gate(subject, actor, channel, undo_until)
    plan_reminders(subject.card.id, [*sla_plans(subject), *_task_plans(subject, tasks)])


def _task_plans(subject: Subject, tasks: Sequence[Task]) -> list[Plan]:
    calendar = calendar_of(subject.playbook, subject.stage)
    series = {task.key: task.reminders for task in subject.stage.tasks}
    found = []
    for task in tasks:
        due, own = task.due_at, series.get(task.key or "")
        if due is None or not own:
            continue
        name = f"task:{task.id}"
        found += [Plan("task", name, step.words, moment_of(step, due, calendar), due) for step in own.steps]
        if own.escalate is not None:
            found.append(Plan("task", name, ESCALATE, moment_of(own.escalate, due, calendar), due))
    return found


def take_back_effects(subject: Subject, at: datetime) -> None:
    """Take back everything that follows from the move into the card's present visit.

    Raises:
        Conflict: something of it has left already.
    """
    visit = subject.visit
    _require_nothing_left(visit)
    db.session.execute(
        sa.update(RuleFiring)
        .where(RuleFiring.visit_id == visit.id, RuleFiring.state == "pending")
        .values(state="cancelled", last_error="The move was taken back.", done_at=now())
    )
    cancel_messages_of_visit(visit.id)
    db.session.execute(
        sa.update(Notice)
        .where(Notice.visit_id == visit.id, Notice.shows_at > now(), Notice.withdrawn_at.is_(None))
        .values(withdrawn_at=now())
    )
    take_back_requests(subject.card.id, visit.id, visit.entered_at, at)


def _require_nothing_left(visit: StageVisit) -> None:
    sent = db.session.scalar(
        sa.select(OutboxMessage.subject)
        .where(
            OutboxMessage.visit_id == visit.id,
            OutboxMessage.state.in_(("claimed", "handing_over", "sent", "unconfirmed")),
        )
        .limit(1)
    )
    if sent is not None:
        raise Conflict(_TOO_LATE.format(what=f"“{sent}” was sent"))
    done = db.session.scalar(
        sa.select(RuleFiring.rule_key)
        .where(RuleFiring.visit_id == visit.id, RuleFiring.state == "done", RuleFiring.undo_until.is_(None))
        .where(RuleFiring.event_kind == "card.stage.entered")
        .limit(1)
    )
    if done is not None:
        raise Conflict(_TOO_LATE.format(what="a rule has acted"))
