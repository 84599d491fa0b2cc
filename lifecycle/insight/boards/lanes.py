"""A board in swimlanes: its columns crossed by owner, segment or account (E26)."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.sql.elements import SQLColumnExpression

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.insight.boards.board import BoardIdentity, empty_columns, fill_totals
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.boards.queries import faces
from lifecycle.insight.boards.view import CardFace, Column, card_face
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Stage

# By what a board can be crossed: what to call it, the lane's key, and its name.
LANES: Final[dict[str, tuple[str, SQLColumnExpression[Any], SQLColumnExpression[Any]]]] = {
    "owner": ("Owner", Card.owner_id, User.name),
    "segment": ("Segment", func.coalesce(Account.segment, ""), func.coalesce(Account.segment, "")),
    "account": ("Account", Card.account_id, Account.name),
}
MOST_LANES: Final = 20
CARDS_A_CELL: Final = 4


@dataclass
class Cell:
    """Where a lane crosses a stage: how many cards stand there, the first of them, where all are listed."""

    count: int = 0
    cards: list[CardFace] = field(default_factory=list)
    all_url: str = ""

    @property
    def hidden(self) -> int:
        """How many cards are not shown."""
        return self.count - len(self.cards)


@dataclass(frozen=True)
class Lane:
    """One lane with its open cards, those past their SLA, and a cell for every column, by the stage's key."""

    key: str
    name: str
    count: int
    breached: int
    cells: dict[str, Cell]


@dataclass(frozen=True)
class LaneBoard:
    """The whole of it. `lanes` are those with most cards past their SLA first; `more` were left out."""

    identity: BoardIdentity
    filter: BoardFilter
    by: str
    columns: list[Column]
    lanes: list[Lane]
    more: int

    @property
    def query(self) -> str:
        """Return the address's query for this board: its filter, and what crosses it."""
        return "&".join(part for part in (self.filter.as_query(), f"by={self.by}") if part)


def lane_kind(text: str) -> str:
    """Return one of LANES: the owner unless it is another."""
    return text if text in LANES else "owner"


def lane_of(face: CardFace, by: str) -> str:
    """Return the key of the lane that a card belongs to."""
    return {"owner": str(face.owner_id), "segment": face.segment, "account": str(face.account_id)}[by]


def read_lanes(
    identity: BoardIdentity, narrowed: BoardFilter, by: str, reader: uuid.UUID, zone: ZoneInfo
) -> LaneBoard:
    """Return the board with its lanes. Five queries, six if narrowed with a limit."""
    at = now()
    columns = empty_columns(identity, reader)
    fill_totals(identity, columns, narrowed, at)
    shown = {id_: column for id_, column in columns.items() if not column.retired or column.count}
    rows = db.session.execute(_lanes(identity, narrowed, by, at)).all()
    lanes = [
        Lane(
            str(row.key),
            _name(identity, by, row.name),
            row.cards,
            row.breached,
            _cells(identity, narrowed, by, row.key),
        )
        for row in rows[:MOST_LANES]
    ]
    chosen = [row.key for row in rows[:MOST_LANES]]
    _fill_cells(identity, narrowed, by, at, zone, lanes, chosen)
    more = rows[0].lanes - len(lanes) if rows else 0
    return LaneBoard(identity, narrowed, by, list(shown.values()), lanes, more)


def _lanes(identity: BoardIdentity, narrowed: BoardFilter, by: str, at: datetime) -> Select[*tuple[Any, ...]]:
    _, key, name = LANES[by]
    late = func.count(case((and_(Card.sla_due_at < at, Card.is_paused.is_(False)), 1)))
    return (
        _cards(
            identity,
            narrowed,
            at,
            key.label("key"),
            name.label("name"),
            func.count().label("cards"),
            late.label("breached"),
            func.count().over().label("lanes"),
        )
        .where(Stage.kind == "open")
        .group_by(key, name)
        .order_by(late.desc(), func.count().desc(), name, key)
        .limit(MOST_LANES)
    )


def _fill_cells(
    identity: BoardIdentity,
    narrowed: BoardFilter,
    by: str,
    at: datetime,
    zone: ZoneInfo,
    lanes: list[Lane],
    chosen: list[Any],
) -> None:
    if not chosen:
        return
    key = LANES[by][1]
    by_key = {lane.key: lane for lane in lanes}
    counted = _cards(
        identity, narrowed, at, key.label("key"), Stage.key.label("stage"), func.count().label("n")
    )
    for row in db.session.execute(counted.where(key.in_(chosen)).group_by(key, Stage.key)):
        by_key[str(row.key)].cells[row.stage].count = row.n
    for lane_key, face in _first_cards(identity, narrowed, by, at, zone, chosen):
        by_key[lane_key].cells[face.stage_key].cards.append(face)


def _first_cards(
    identity: BoardIdentity, narrowed: BoardFilter, by: str, at: datetime, zone: ZoneInfo, chosen: list[Any]
) -> list[tuple[str, CardFace]]:
    key = LANES[by][1]
    place = func.row_number().over(partition_by=(key, Card.stage_id), order_by=(Card.board_order, Card.id))
    ranked = (
        _cards(identity, narrowed, at, Card.id.label("id"), place.label("place"))
        .where(key.in_(chosen), Stage.kind == "open")
        .subquery()
    )
    rows = db.session.execute(
        faces()
        .join(ranked, ranked.c.id == Card.id)
        .where(ranked.c.place <= CARDS_A_CELL)
        .order_by(Card.board_order, Card.id)
    )
    found = [card_face(row, at, zone) for row in rows]
    return [(lane_of(face, by), face) for face in found]


def _cards(
    identity: BoardIdentity, narrowed: BoardFilter, at: datetime, *columns: Any
) -> Select[*tuple[Any, ...]]:
    return (
        select(*columns)
        .select_from(Card)
        .join(Account, Account.id == Card.account_id)
        .join(User, User.id == Card.owner_id)
        .join(Stage, Stage.id == Card.stage_id)
        .where(Card.pipeline_id == identity.pipeline.id, Card.archived_at.is_(None), *narrowed.conditions(at))
    )


def _cells(identity: BoardIdentity, narrowed: BoardFilter, by: str, key: Any) -> defaultdict[str, Cell]:
    """Return the lane's cells, each with the address of the list of all its cards."""
    query = narrowed.as_query()
    cells: defaultdict[str, Cell] = defaultdict(Cell)
    for stage in identity.stages:
        own = urlencode({by: str(key), "stage": stage.key} if key else {"stage": stage.key})
        cells[stage.key].all_url = f"{identity.url}/list?" + "&".join(part for part in (query, own) if part)
    return cells


def _name(identity: BoardIdentity, by: str, name: str) -> str:
    """Return what a lane is called: a segment as the playbook does."""
    declared = identity.playbook.fields.get("segment") if by == "segment" else None
    names = {option.key: option.name for option in declared.options} if declared else {}
    return names.get(name, name)
