"""Handoffs that wait to be accepted, and one with all that it carries (E17)."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.insight.ages import age_conditions
from lifecycle.insight.boards.view import short_span
from lifecycle.insight.work.lines import (
    AboutCard,
    Due,
    Query,
    Reader,
    Window,
    about_cards,
    card_of,
    choose,
    due_of,
    fetch,
)
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import Department, User
from lifecycle.records.people.permissions import can, holds_role
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.records.reminders.models import Reminder
from lifecycle.records.reminders.record import ESCALATE
from lifecycle.work.handoffs.models import Handoff

_FROM_CARD, _FROM_PIPELINE = aliased(Card), aliased(Pipeline)
_GIVER, _ANSWERER = aliased(User), aliased(User)


@dataclass(frozen=True)
class ShownHandoff:
    """A handoff as the receiving team sees it. `card` is the one that it opened on their board."""

    handoff: Handoff
    card: AboutCard
    department: str
    from_board: str
    given_by: str | None
    answered_by: str | None
    age: str
    due: Due
    is_escalated: bool
    is_archived: bool
    may_answer: bool

    @property
    def id(self) -> uuid.UUID:
        """The handoff's id."""
        return self.handoff.id

    @property
    def is_offered(self) -> bool:
        """Whether it waits for an answer."""
        return self.handoff.state == "offered"


@dataclass(frozen=True)
class Handoffs:
    """Handoffs that wait, the earliest due first. `count` is how many there are in all, `late` of these."""

    lines: list[ShownHandoff]
    count: int
    late: int
    oldest: str = ""


def handoffs_to_accept(departments: Collection[str], reader: Reader, window: Window) -> Handoffs:
    """Return the handoffs that these departments have not answered. One query, none for no department.

    One whose card was archived on the receiving board is among them: whoever handed over waits all the same.
    """
    if not departments:
        return Handoffs([], 0, 0)
    return _offered([Handoff.to_department.in_(departments)], reader, window)


def handoffs_nobody_accepted(reader: Reader, window: Window, age: int | None = None) -> Handoffs:
    """Return what the command center counts: of every department, without archived cards. One query.

    Args:
        age: only what was offered so long ago, by its place in AGES.
    """
    narrowed: list[sa.ColumnElement[bool]] = [Card.archived_at.is_(None)]
    if age is not None:
        narrowed.append(age_conditions(Handoff.offered_at, reader.at)[age])
    return _offered(narrowed, reader, window)


def _offered(narrowed: Sequence[sa.ColumnElement[bool]], reader: Reader, window: Window) -> Handoffs:
    ids = (
        sa.select(Handoff.id, sa.func.min(Handoff.offered_at).over().label("oldest_at"))
        .join(Card, Card.id == Handoff.to_card_id)
        .where(Handoff.state == "offered", Card.withdrawn_at.is_(None), *narrowed)
    )
    chosen = choose(ids, (Handoff.due_at, Handoff.id), window, Handoff.due_at <= reader.at)
    rows, count, late = fetch(_handoffs().add_columns(chosen.c.oldest_at), Handoff.id, chosen)
    oldest = short_span(reader.at - rows[0].oldest_at) if rows else ""
    return Handoffs([_shown(row, reader) for row in rows], count, late, oldest)


def read_handoff(handoff_id: uuid.UUID, reader: Reader) -> ShownHandoff:
    """Return one handoff, answered or not. One query.

    Raises:
        NotFound: there is no such handoff, or it was taken back with its move.
    """
    query = _handoffs().where(Handoff.id == handoff_id, Handoff.state != "withdrawn")
    row = db.session.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such handoff.")
    return _shown(row, reader)


def answering_departments(actor: Actor) -> list[str]:
    """Return for which departments somebody answers handoffs as one of their own."""
    return sorted(key for key in actor.departments if _may_answer(actor, key))


def _may_answer(actor: Actor, department: str) -> bool:
    # As governance/handoffs/answer.py decides it; here only to know which buttons to draw.
    return can(actor, "cards.edit") and (holds_role(actor, department) or can(actor, "cards.override"))


def _handoffs() -> Query:
    escalated = sa.exists().where(
        Reminder.subject == sa.func.concat("handoff:", sa.cast(Handoff.id, sa.Text)),
        Reminder.step == ESCALATE,
        Reminder.state == "fired",
        Reminder.basis_at == Handoff.due_at,
    )
    query = (
        sa.select(
            Handoff,
            Department.name.label("department_name"),
            _FROM_PIPELINE.name.label("from_board"),
            _GIVER.name.label("given_by"),
            _ANSWERER.name.label("answered_by"),
            Card.archived_at.label("archived_at"),
            escalated.label("is_escalated"),
        )
        .join(Card, Card.id == Handoff.to_card_id)
        .join(Department, Department.key == Handoff.to_department)
        .join(_FROM_CARD, _FROM_CARD.id == Handoff.from_card_id)
        .join(_FROM_PIPELINE, _FROM_PIPELINE.id == _FROM_CARD.pipeline_id)
        # A rule hands over in nobody's name: then it is the card's owner who is asked about it.
        .outerjoin(_GIVER, _GIVER.id == sa.func.coalesce(Handoff.offered_by, _FROM_CARD.owner_id))
        .outerjoin(_ANSWERER, _ANSWERER.id == Handoff.answered_by)
        .where(Card.withdrawn_at.is_(None))
        .execution_options(populate_existing=True)
    )
    return about_cards(query)


def _shown(row: Any, reader: Reader) -> ShownHandoff:
    handoff: Handoff = row.Handoff
    return ShownHandoff(
        handoff=handoff,
        card=card_of(row),
        department=row.department_name,
        from_board=row.from_board,
        given_by=row.given_by,
        answered_by=row.answered_by,
        age=short_span(reader.at - handoff.offered_at),
        due=due_of(handoff.due_at, reader),
        is_escalated=row.is_escalated,
        is_archived=row.archived_at is not None,
        may_answer=_may_answer(reader.actor, handoff.to_department),
    )
