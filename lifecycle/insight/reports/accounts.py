"""Where every account stands: its open cards, their stages and clocks, the most urgent first (L10)."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.text import contains_word
from lifecycle.insight.work.lines import Query, Reader, Rows, Window, is_worked_on
from lifecycle.insight.work.sla import CardLine, cards_by_sla, is_late
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Stage

Condition = sa.ColumnElement[bool]
# Of an account with more, its own page shows the rest.
MOST_CARDS: Final = 5
SHOWN: Final[dict[str, str]] = {
    "open": "With open cards",
    "late": "Past the SLA",
    "waiting": "Waiting on the client",
    "idle": "Without an open card",
}


@dataclass(frozen=True)
class Standing:
    """An account with its open cards by deadline, at most MOST_CARDS; `cards` and `late` count all of them.

    `last` says of an account without any where its latest card stands, if it ever had one.
    """

    id: uuid.UUID
    name: str
    segment: str | None
    owner: str | None
    cards: int
    late: int
    waiting: int
    lines: list[CardLine]
    last: str = ""


@dataclass(frozen=True)
class Standings:
    """A page of accounts, and how many there are in all."""

    rows: list[Standing]
    count: int


def read_standings(shown: str, text: str, reader: Reader, window: Window) -> Standings:
    """Return accounts that are not archived, the most urgent first. Two queries, for `one_moment`.

    Args:
        shown: one of SHOWN. text: only accounts whose name holds it, blind to case and accents.
    """
    narrowed: list[Condition] = [Account.archived_at.is_(None)]
    if text:
        narrowed.append(contains_word(Account.name, text))
    return _idle(narrowed, window) if shown == "idle" else _working(shown, narrowed, reader, window)


def _working(shown: str, narrowed: list[Condition], reader: Reader, window: Window) -> Standings:
    late, waiting = sa.func.count().filter(is_late(reader.at)), sa.func.count().filter(Card.waiting_on_client)
    query = (
        _accounts()
        .add_columns(sa.func.count().label("cards"), late.label("late"), waiting.label("waiting"))
        .join(Card, Card.account_id == Account.id)
        .where(is_worked_on(), *narrowed)
        .group_by(Account.id, User.name)
        .order_by(late.desc(), sa.func.min(Card.sla_due_at).nulls_last(), Account.name, Account.id)
        .limit(window.limit)
        .offset(window.offset)
    )
    if shown in ("late", "waiting"):
        query = query.having((late if shown == "late" else waiting) > 0)
    rows = db.session.execute(query).all()
    lines = _lines([row.id for row in rows], reader)
    standings = [_standing(row, row.cards, row.late, row.waiting, lines[row.id]) for row in rows]
    return Standings(standings, _in_all(rows))


def _accounts() -> Query:
    in_all = sa.func.count().over().label("in_all")
    return sa.select(Account.id, Account.name, Account.segment, User.name.label("owner"), in_all).outerjoin(
        User, User.id == Account.owner_id
    )


def _in_all(rows: Rows) -> int:
    return rows[0].in_all if rows else 0


def _lines(account_ids: list[uuid.UUID], reader: Reader) -> defaultdict[uuid.UUID, list[CardLine]]:
    """Return the first cards of each account by deadline. One query."""
    place = sa.func.row_number().over(
        partition_by=Card.account_id, order_by=(Card.is_paused, Card.sla_due_at.nulls_last(), Card.id)
    )
    ranked = (
        sa.select(Card.id, place.label("place"))
        .where(Card.account_id.in_(account_ids), is_worked_on())
        .subquery()
    )
    first = Card.id.in_(sa.select(ranked.c.id).where(ranked.c.place <= MOST_CARDS))
    found: defaultdict[uuid.UUID, list[CardLine]] = defaultdict(list)
    for line in cards_by_sla(first, reader, Window(MOST_CARDS * len(account_ids))).lines:
        found[line.card.account_id].append(line)
    return found


def _idle(narrowed: list[Condition], window: Window) -> Standings:
    """Return the accounts without an open card by name, with where their latest card stands. One query."""
    latest = (
        sa.select(sa.func.concat(Pipeline.name, ": ", Stage.name))
        .select_from(Card)
        .join(Stage, Stage.id == Card.stage_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(Card.account_id == Account.id, Card.archived_at.is_(None))
        .order_by(Card.updated_at.desc(), Card.id)
        .limit(1)
        .correlate(Account)
        .scalar_subquery()
    )
    has_work = sa.exists().where(Card.account_id == Account.id, is_worked_on()).correlate(Account)
    rows = db.session.execute(
        _accounts()
        .add_columns(latest.label("latest"))
        .where(~has_work, Account.is_holding.is_(False), *narrowed)
        .order_by(Account.name, Account.id)
        .limit(window.limit)
        .offset(window.offset)
    ).all()
    return Standings([_standing(row, 0, 0, 0, [], row.latest or "") for row in rows], _in_all(rows))


def _standing(
    row: Any, cards: int, late: int, waiting: int, lines: list[CardLine], last: str = ""
) -> Standing:
    return Standing(row.id, row.name, row.segment, row.owner, cards, late, waiting, lines, last)
