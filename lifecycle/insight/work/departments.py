"""A department's queue: handoffs, alerts, tasks, client gates and cards by SLA (W20); and all departments."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.insight.work.handoffs import Handoffs, handoffs_to_accept
from lifecycle.insight.work.lines import Lines, Reader, Window
from lifecycle.insight.work.requests import gates_of_department
from lifecycle.insight.work.sla import Clocks, Figures, count_cards, read_clocks
from lifecycle.insight.work.tasks import cards_without_next_action, tasks_of_department
from lifecycle.insight.work.words import Sentence, joined, things
from lifecycle.records.cards.models import Card
from lifecycle.records.people.models import Department
from lifecycle.work.handoffs.models import Handoff


@dataclass(frozen=True)
class DepartmentEntry:
    """A department, with the handoffs it has not answered and its cards that are over their time."""

    key: str
    name: str
    is_mine: bool
    handoffs: int
    late_cards: int

    @property
    def calls(self) -> int:
        """How many things call for somebody."""
        return self.handoffs + self.late_cards

    @property
    def says(self) -> str:
        """The same in words."""
        handoffs = things(self.handoffs, "handoff to accept", "handoffs to accept")
        return joined([handoffs, things(self.late_cards, "card over its time", "cards over their time")])


@dataclass(frozen=True)
class DepartmentQueue:
    """The whole page of one department."""

    sentence: Sentence
    handoffs: Handoffs
    clocks: Clocks
    without_next_action: Lines
    tasks: Lines
    gates: Lines
    figures: Figures


def list_departments(reader: Reader) -> list[DepartmentEntry]:
    """Return every department with what calls in it, the reader's own first. One query."""
    late = (
        sa.select(Card.department_key, sa.func.count().label("cards"))
        .where(Card.archived_at.is_(None), Card.is_paused.is_(False), Card.sla_due_at <= reader.at)
        .group_by(Card.department_key)
        .subquery()
    )
    offered = (
        sa.select(Handoff.to_department, sa.func.count().label("handoffs"))
        .join(Card, Card.id == Handoff.to_card_id)
        .where(Handoff.state == "offered", Card.withdrawn_at.is_(None))
        .group_by(Handoff.to_department)
        .subquery()
    )
    rows = db.session.execute(
        sa.select(
            Department.key,
            Department.name,
            sa.func.coalesce(offered.c.handoffs, 0).label("handoffs"),
            sa.func.coalesce(late.c.cards, 0).label("late_cards"),
        )
        .outerjoin(offered, offered.c.to_department == Department.key)
        .outerjoin(late, late.c.department_key == Department.key)
        .order_by(Department.name, Department.key)
    )
    entries = [
        DepartmentEntry(key, name, key in reader.actor.departments, handoffs, late_cards)
        for key, name, handoffs, late_cards in rows
    ]
    return sorted(entries, key=lambda entry: not entry.is_mine)


def find_department(key: str, entries: list[DepartmentEntry]) -> DepartmentEntry:
    """Return the department with that key.

    Raises:
        NotFound: no playbook declares it.
    """
    for entry in entries:
        if entry.key == key:
            return entry
    raise NotFound("There is no such department. Playbooks declare them.")


def read_department_queue(department: str, reader: Reader) -> DepartmentQueue:
    """Return what waits in a department, the first lines of each section. Seven queries."""
    theirs = Card.department_key == department
    handoffs = handoffs_to_accept([department], reader, Window())
    clocks = read_clocks(theirs, reader)
    tasks = tasks_of_department(department, reader, Window())
    return DepartmentQueue(
        sentence=_sentence(handoffs, clocks.late_count, tasks.late),
        handoffs=handoffs,
        clocks=clocks,
        without_next_action=cards_without_next_action(theirs, reader, Window()),
        tasks=tasks,
        gates=gates_of_department(department, reader, Window()),
        figures=count_cards(theirs, reader.at),
    )


def _sentence(handoffs: Handoffs, late_cards: int, late_tasks: int) -> Sentence:
    late = []
    if late_cards:
        late.append(things(late_cards, "card is over its time", "cards are over their time"))
    if late_tasks:
        late.append(things(late_tasks, "task is late", "tasks are late"))
    parts = [f"{joined(late)}."] if late else []
    if handoffs.count:
        waits = things(handoffs.count, "handoff waits", "handoffs wait")
        overdue = f", {handoffs.late:,} of them too long" if handoffs.late and handoffs.count > 1 else ""
        parts.append(f"{waits} to be accepted{overdue}; the oldest for {handoffs.oldest}.")
    if parts:
        return Sentence(" ".join(parts), "breach" if late or handoffs.late else "accent")
    return Sentence("Nothing is late, and no handoff waits.", "passed")
