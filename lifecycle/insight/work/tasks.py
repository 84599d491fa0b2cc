"""Open tasks and next actions, by when they are due (E10)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.insight.work.lines import (
    Line,
    Lines,
    Mark,
    Query,
    Reader,
    Window,
    about_cards,
    card_of,
    choose,
    due_of,
    fetch,
    is_worked_on,
)
from lifecycle.records.cards.models import Card
from lifecycle.records.people.models import User, UserDepartment
from lifecycle.work.tasks.models import Task

DAYS_AHEAD: Final = 7
"""How many days ahead of their due date next actions are shown, today not counted."""

NO_NEXT_ACTION: Final = Mark("soon", "No next action", "alert-triangle")


def tasks_of_reader(reader: Reader, window: Window) -> Lines:
    """Return the open tasks that the reader has. One query."""
    return _tasks(Task.assignee_id == reader.user_id, reader, window)


def tasks_of_department(department: str, reader: Reader, window: Window) -> Lines:
    """Return the open tasks of the department's cards, and those its members have elsewhere. One query."""
    members = sa.select(UserDepartment.user_id).where(UserDepartment.department_key == department)
    theirs = sa.or_(Task.assignee_id.in_(members), Card.department_key == department)
    return _tasks(theirs, reader, window)


def _tasks(whose: sa.ColumnElement[bool], reader: Reader, window: Window) -> Lines:
    ids = (
        sa.select(Task.id)
        .join(Card, Card.id == Task.card_id)
        .where(Task.done_at.is_(None), Task.cancelled_at.is_(None), whose, is_worked_on())
    )
    order = (Task.due_at.nulls_last(), Task.created_at, Task.id)
    query = about_cards(
        sa.select(Task.title, Task.due_at, User.name.label("assignee"))
        .join(Card, Card.id == Task.card_id)
        .outerjoin(User, User.id == Task.assignee_id)
    )
    rows, count, late = fetch(query, Task.id, choose(ids, order, window, Task.due_at <= reader.at))
    lines = []
    for row in rows:
        card = card_of(row)
        due = due_of(row.due_at, reader) if row.due_at else None
        lines.append(Line(row.title, card.url, card, due=due, who=row.assignee or ""))
    return Lines(lines, count, late)


def next_actions_of_reader(reader: Reader, window: Window) -> Lines:
    """Return the next actions that the reader has to do, late or due within a week, and after them their
    open cards without one. One query.
    """
    mine = sa.and_(Card.next_action_assignee_id == reader.user_id, Card.next_action_due_at < _horizon(reader))
    missing = sa.and_(Card.owner_id == reader.user_id, lacks_next_action())
    ids = sa.select(Card.id).where(is_worked_on(), sa.or_(sa.and_(mine, ~lacks_next_action()), missing))
    order = (lacks_next_action(), Card.next_action_due_at.nulls_last(), Card.created_at, Card.id)
    late = sa.and_(~lacks_next_action(), Card.next_action_due_at <= reader.at)
    rows, count, late_count = fetch(_actions(), Card.id, choose(ids, order, window, late))
    return Lines([_action(row, reader) for row in rows], count, late_count)


def cards_without_next_action(whose: sa.ColumnElement[bool], reader: Reader, window: Window) -> Lines:
    """Return open cards that have no next action with a date, the oldest first. One query."""
    ids = sa.select(Card.id).where(is_worked_on(), whose, lacks_next_action())
    rows, count, _ = fetch(_actions(), Card.id, choose(ids, (Card.created_at, Card.id), window))
    return Lines([_action(row, reader) for row in rows], count)


def lacks_next_action() -> sa.ColumnElement[bool]:
    """Return the condition that a card has no next action, or one without a date."""
    return sa.or_(Card.next_action.is_(None), Card.next_action == "", Card.next_action_due_at.is_(None))


def _actions() -> Query:
    query = sa.select(
        Card.next_action,
        Card.next_action_due_at,
        User.name.label("owner"),
        lacks_next_action().label("is_missing"),
    )
    return about_cards(query.select_from(Card).join(User, User.id == Card.owner_id))


def _action(row: Any, reader: Reader) -> Line:
    card = card_of(row)
    place = f"{card.url}#next-action"
    if row.is_missing:
        words = row.next_action or "Say what is to be done next"
        return Line(words, place, card, who=row.owner, marks=(NO_NEXT_ACTION,))
    return Line(row.next_action, place, card, due=due_of(row.next_action_due_at, reader), who=row.owner)


def _horizon(reader: Reader) -> datetime:
    """Return the end of the reader's day a week ahead."""
    last_day = reader.at.astimezone(reader.zone).date() + timedelta(days=DAYS_AHEAD + 1)
    return datetime.combine(last_day, time(), reader.zone)
