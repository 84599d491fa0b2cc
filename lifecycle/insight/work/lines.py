"""Lines of work: what is to be done about a card, until when, and where, in words for one reader."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from lifecycle.core.db import db
from lifecycle.insight.boards.view import short_span
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.playbooks.models import Pipeline, Stage

Query = sa.Select[*tuple[Any, ...]]
Column = sa.ColumnElement[Any] | InstrumentedAttribute[Any]
Rows = Sequence[sa.Row[*tuple[Any, ...]]]

PAGE: Final = 50
"""How many lines a section shows when it stands alone."""
AT_FIRST: Final = 10
"""How many it shows among the others."""


@dataclass(frozen=True)
class Reader:
    """Who reads, where, and when: what is late for one is late for all, but the words are theirs."""

    actor: Actor
    user_id: uuid.UUID
    zone: ZoneInfo
    at: datetime


@dataclass(frozen=True)
class Window:
    """Which part of a section is shown."""

    limit: int = AT_FIRST
    offset: int = 0


@dataclass(frozen=True)
class Due:
    """Until when, as the reader says it; `late` from the very instant."""

    at: datetime
    words: str
    state: Literal["late", "today", "ahead"]


@dataclass(frozen=True)
class Mark:
    """A badge: a tone, the word that says the same, and an icon."""

    tone: str
    words: str
    icon: str


@dataclass(frozen=True)
class AboutCard:
    """A card as a line names it."""

    id: uuid.UUID
    title: str
    account: str
    board: str
    stage: str
    account_id: uuid.UUID

    @property
    def url(self) -> str:
        """The card's address."""
        return f"/cards/{self.id}"


@dataclass(frozen=True)
class Line:
    """One thing: `what` leads to `url`, where it is done. `since` is how long it has waited, `who` has it."""

    what: str
    url: str
    card: AboutCard
    due: Due | None = None
    since: str = ""
    note: str = ""
    who: str | None = None
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Lines:
    """Some lines of a section. `count` is how many there are in all, `late` how many of these are late."""

    lines: list[Line] = field(default_factory=list)
    count: int = 0
    late: int = 0


def due_of(due_at: datetime, reader: Reader) -> Due:
    """Return a due time in words: `3 d late`, `Today, 14:00`, `Fri 4 Dec`."""
    late = reader.at - due_at
    if late >= timedelta():
        return Due(due_at, f"{short_span(late)} late" if late >= timedelta(minutes=1) else "Due now", "late")
    local, today = due_at.astimezone(reader.zone), reader.at.astimezone(reader.zone).date()
    days = (local.date() - today).days
    if days == 0:
        return Due(due_at, f"Today, {local:%H:%M}", "today")
    if days == 1:
        return Due(due_at, f"Tomorrow, {local:%H:%M}", "ahead")
    if days < 7:
        return Due(due_at, f"{local:%a %-d %b}", "ahead")
    return Due(due_at, f"{local:%-d %b}" if local.year == today.year else f"{local:%-d %b %Y}", "ahead")


def about_cards(query: Query) -> Query:
    """Return a query that reads cards, with what `card_of` needs of them."""
    return (
        query.add_columns(
            Card.id.label("card_id"),
            Card.title.label("card_title"),
            Account.name.label("account_name"),
            Pipeline.name.label("board_name"),
            Stage.name.label("stage_name"),
            Card.account_id,
        )
        .join(Account, Account.id == Card.account_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .join(Stage, Stage.id == Card.stage_id)
    )


def card_of(row: Any) -> AboutCard:
    """Return the card of a row of an `about_cards` query."""
    return AboutCard(
        row.card_id, row.card_title, row.account_name, row.board_name, row.stage_name, row.account_id
    )


def is_worked_on() -> sa.ColumnElement[bool]:
    """Return the condition that somebody can still work on a card."""
    return sa.and_(
        Card.archived_at.is_(None), Card.stage_id.in_(sa.select(Stage.id).where(Stage.kind == "open"))
    )


def choose(
    ids: Query,
    order: Sequence[Column],
    window: Window,
    late: sa.ColumnElement[bool] | None = None,
) -> sa.Subquery:
    """Return the part of `ids`, a query of one column `id`, that is shown, with its place and the counts.

    What a line shows is joined to these few; to count it must not be read for all of them.
    """
    late_in_all = sa.func.count().filter(late).over() if late is not None else sa.literal(0)
    return (
        ids.add_columns(
            sa.func.row_number().over(order_by=order).label("place"),
            sa.func.count().over().label("in_all"),
            late_in_all.label("late_in_all"),
        )
        .order_by(*order)
        .limit(window.limit)
        .offset(window.offset)
        .subquery("chosen")
    )


def fetch(query: Query, key: Column, chosen: sa.Subquery) -> tuple[Rows, int, int]:
    """Return what `query` says of the chosen, how many there are in all, and how many of these are late."""
    query = query.add_columns(chosen.c.in_all, chosen.c.late_in_all).join(chosen, chosen.c.id == key)
    rows = db.session.execute(query.order_by(chosen.c.place)).all()
    return rows, rows[0].in_all if rows else 0, rows[0].late_in_all if rows else 0
