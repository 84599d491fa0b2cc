"""Open cards by their SLA: over it, due soon, in time, and those whose clock stands still (E11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from lifecycle.core.db import db
from lifecycle.governance.cards.subjects import stage_of
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.sla.clock import SlaView, clock_start, view
from lifecycle.insight.boards.view import short_span, sla_label
from lifecycle.insight.work.lines import (
    PAGE,
    AboutCard,
    Query,
    Reader,
    Window,
    about_cards,
    card_of,
    choose,
    fetch,
    is_worked_on,
)
from lifecycle.insight.work.tasks import lacks_next_action
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.records.reminders.models import Reminder
from lifecycle.records.reminders.record import ESCALATE

LOOKED_AHEAD: Final = 100
"""How many coming deadlines are asked whether they are due soon: each stage says for itself from when on."""

_CONTINUED = aliased(StageVisit)
_IS_RUNNING = sa.and_(Card.sla_due_at.is_not(None), Card.is_paused.is_(False))


@dataclass(frozen=True)
class CardLine:
    """A card with its clock. `age` is how long it is in its stage."""

    card: AboutCard
    owner: str
    clock: SlaView
    clock_label: str
    due_at: datetime | None
    age: str
    waits_on_client: bool
    is_escalated: bool


@dataclass(frozen=True)
class Clocks:
    """The cards whose clock runs: at most 50 that are late and due soon, and of the others the next ones.

    `late_count` is exact; `soon_count` is of the next hundred deadlines.
    """

    late: list[CardLine]
    soon: list[CardLine]
    ahead: list[CardLine]
    late_count: int
    soon_count: int


@dataclass(frozen=True)
class Figures:
    """How many open cards there are by the state of their clock, and how many lack a next action."""

    cards: int
    late: int
    running: int
    paused: int
    without_sla: int
    without_next_action: int


def read_clocks(whose: sa.ColumnElement[bool], reader: Reader) -> Clocks:
    """Return how the running clocks of these cards stand. Two queries."""
    running = sa.select(Card.id).where(whose, is_worked_on(), _IS_RUNNING)
    order = (Card.sla_due_at, Card.id)
    late = choose(running.where(Card.sla_due_at <= reader.at), order, Window(PAGE))
    rows, late_count, _ = fetch(_cards(), Card.id, late)
    ahead = choose(running.where(Card.sla_due_at > reader.at), order, Window(LOOKED_AHEAD))
    coming, _, _ = fetch(_cards(), Card.id, ahead)
    lines = [_line(row, reader.at) for row in coming]
    soon = [line for line in lines if line.clock.state == "due_soon"]
    return Clocks(
        late=[_line(row, reader.at) for row in rows],
        soon=soon[: max(0, PAGE - len(rows))],
        ahead=[line for line in lines if line.clock.state != "due_soon"],
        late_count=late_count,
        soon_count=len(soon),
    )


@dataclass(frozen=True)
class CardLines:
    """Some cards of a list. `count` is how many there are in all, `late` how many of these are late."""

    lines: list[CardLine]
    count: int
    late: int


def is_late(at: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a card's clock runs and its deadline is past."""
    return sa.and_(_IS_RUNNING, Card.sla_due_at <= at)


def cards_by_sla(whose: sa.ColumnElement[bool], reader: Reader, window: Window) -> CardLines:
    """Return open cards by deadline. One query.

    Running clocks come first, then those that stand still, then cards without an SLA.
    """
    ids = sa.select(Card.id).where(whose, is_worked_on())
    order = (Card.is_paused, Card.sla_due_at.nulls_last(), Card.id)
    rows, count, late = fetch(_cards(), Card.id, choose(ids, order, window, is_late(reader.at)))
    return CardLines([_line(row, reader.at) for row in rows], count, late)


def count_cards(whose: sa.ColumnElement[bool], at: datetime) -> Figures:
    """Count open cards by the state of their clock. One query."""

    def how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count().filter(condition)

    row = db.session.execute(
        sa.select(
            sa.func.count().label("cards"),
            how_many(is_late(at)).label("late"),
            how_many(_IS_RUNNING).label("running"),
            how_many(Card.is_paused.is_(True)).label("paused"),
            how_many(sa.and_(Card.sla_due_at.is_(None), Card.is_paused.is_(False))).label("without_sla"),
            how_many(lacks_next_action()).label("without_next_action"),
        )
        .select_from(Card)
        .where(whose, is_worked_on())
    ).one()
    return Figures(*row)


def _cards() -> Query:
    # An undo's third visit goes on with the first one's time, and with its alerts.
    stay = sa.func.coalesce(StageVisit.continues_visit_id, StageVisit.id)
    escalated = sa.exists().where(
        Reminder.subject == sa.func.concat("sla:", stay),
        Reminder.step == ESCALATE,
        Reminder.state == "fired",
        Reminder.basis_at == Card.sla_due_at,
    )
    return about_cards(
        sa.select(
            Card.revision_id,
            Card.sla_due_at,
            Card.is_paused,
            Card.waiting_on_client,
            Card.created_at,
            Pipeline.key.label("pipeline_key"),
            Stage.key.label("stage_key"),
            User.name.label("owner"),
            sa.func.coalesce(_CONTINUED.entered_at, StageVisit.entered_at).label("entered_at"),
            StageVisit.is_imported,
            escalated.label("is_escalated"),
        )
        .select_from(Card)
        .join(StageVisit, StageVisit.id == Card.visit_id)
        .outerjoin(_CONTINUED, _CONTINUED.id == StageVisit.continues_visit_id)
        .join(User, User.id == Card.owner_id)
    )


def _line(row: Any, at: datetime) -> CardLine:
    playbook = of_revision(row.revision_id)
    stage = stage_of(playbook.pipeline(row.pipeline_key), row.stage_key)
    start = clock_start(row.entered_at, row.created_at, is_imported=row.is_imported)
    clock = view(playbook, stage, start, row.sla_due_at, at, paused=row.is_paused)
    return CardLine(
        card=card_of(row),
        owner=row.owner,
        clock=clock,
        clock_label=sla_label(clock),
        due_at=row.sla_due_at,
        age=short_span(at - row.entered_at),
        waits_on_client=row.waiting_on_client,
        is_escalated=row.is_escalated,
    )
