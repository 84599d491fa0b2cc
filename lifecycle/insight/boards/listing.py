"""The cards of a board as a list: the same filter, in any order, a page at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, Select, select, tuple_
from sqlalchemy.orm import Session

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.insight.boards.board import BoardIdentity
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.boards.order import ORDERS, USUAL_ORDER, Order, cursor_of
from lifecycle.insight.boards.queries import faces, totals_by_stage
from lifecycle.insight.boards.view import CardFace, card_face
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.playbooks.models import Stage

CARDS_A_PAGE = 50


@dataclass(frozen=True)
class Listing:
    """What a list shows: a board's filter, perhaps one stage of it, and an order."""

    filter: BoardFilter
    stage: str = ""
    sort: str = USUAL_ORDER
    down: bool = False

    @classmethod
    def from_args(cls, args: Mapping[str, str], me: uuid.UUID | None = None) -> Listing:
        """Read a list's address; what makes no sense is passed over. `owner=me` is the reader."""
        sort = args.get("sort", "")
        return cls(
            filter=BoardFilter.from_args(args, me),
            stage=args.get("stage", "").replace("\x00", "")[:60],
            sort=sort if sort in ORDERS else USUAL_ORDER,
            down=args.get("down") == "1",
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether it may show fewer cards than the board has."""
        return bool(self.stage) or not self.filter.is_empty

    @property
    def order(self) -> Order:
        """How it is sorted."""
        return ORDERS[self.sort]

    def as_query(self) -> str:
        """Return the list as the query part of an address: only what differs from the plain list."""
        own = {
            "stage": self.stage,
            "sort": self.sort if self.sort != USUAL_ORDER else "",
            "down": "1" if self.down else "",
        }
        rest = urlencode({key: value for key, value in own.items() if value})
        return "&".join(part for part in (self.filter.as_query(), rest) if part)

    def sorted_by(self, sort: str) -> Listing:
        """Return the list sorted by a column; by its own, the other way round."""
        return replace(self, sort=sort, down=not self.down if sort == self.sort else False)


@dataclass(frozen=True)
class ListedCard:
    """A row of the list: the card's face, with the stage's name."""

    face: CardFace
    stage: str


@dataclass(frozen=True)
class CardPage:
    """A page of the list. `count` is how many cards match in all; the cursors are those of its neighbours."""

    rows: list[ListedCard]
    count: int
    by_stage: dict[str, int]
    before: str | None
    after: str | None


def read_page(identity: BoardIdentity, listing: Listing, after: str, before: str, zone: ZoneInfo) -> CardPage:
    """Return the cards after a cursor, or those before one, or the first. Two queries.

    A cursor that cannot be read is none: the list then begins at its beginning.
    """
    at = now()
    counts = _counts(identity, listing.filter, at)
    start = listing.order.position(after) if after else None
    end = listing.order.position(before) if before and start is None else None
    rows = db.session.execute(_page(identity, listing, at, start, end)).all()
    has_more = len(rows) > CARDS_A_PAGE
    rows = rows[:CARDS_A_PAGE]
    if end is not None:
        rows = rows[::-1]
    goes_on, came_from = (has_more, start is not None) if end is None else (True, has_more)
    return CardPage(
        rows=[ListedCard(card_face(row, at, zone), row.stage_name) for row in rows],
        count=counts.get(listing.stage, 0) if listing.stage else sum(counts.values()),
        by_stage=counts,
        before=cursor_of(rows[0].id, rows[0].sort_key) if rows and came_from else None,
        after=cursor_of(rows[-1].id, rows[-1].sort_key) if rows and goes_on else None,
    )


def each_card(identity: BoardIdentity, listing: Listing) -> Iterator[Row[*tuple[Any, ...]]]:
    """Return every card of the list in its order, as the database hands them over: one query, one moment.

    It is read on a connection of its own, since a download goes on when its request is over. Rows are faces
    (`queries.faces`) with stage_name and department_key.
    """
    at = now()
    key = listing.order.key(down=listing.down)
    picked = _picked(identity, listing, at).add_columns(key.label("sort_key")).subquery()
    query = (
        faces(Stage.name.label("stage_name"), Card.department_key)
        .join(picked, picked.c.id == Card.id)
        .order_by(*_directed(picked.c, down=listing.down))
    )
    return _stream(Session(db.engine), query)


def _stream(own: Session, query: Select[*tuple[Any, ...]]) -> Iterator[Row[*tuple[Any, ...]]]:
    with own:
        yield from own.execute(query, execution_options={"yield_per": 500})


def _counts(identity: BoardIdentity, narrowed: BoardFilter, at: datetime) -> dict[str, int]:
    keys = {stage.id: stage.key for stage in identity.stages}
    counts: dict[str, int] = {}
    for row in totals_by_stage(identity.pipeline.id, narrowed, at):
        # A stage that was published this very moment has no key yet, nor a card to lose.
        key = keys.get(row.stage_id, "")
        counts[key] = counts.get(key, 0) + row.cards
    return counts


def _page(
    identity: BoardIdentity, listing: Listing, at: datetime, start: Any, end: Any
) -> Select[*tuple[Any, ...]]:
    # What stands before a card is what follows it when everything is turned round.
    down = listing.down != (end is not None)
    key = listing.order.key(down=listing.down)
    picked = _picked(identity, listing, at).add_columns(key.label("sort_key"))
    position = end if end is not None else start
    if position is not None:
        here = tuple_(key, Card.id)
        picked = picked.where(here < position if down else here > position)
    # The cards are found first, and only those of the page are read with all that a row shows.
    found = (
        picked.order_by(*((key.desc(), Card.id.desc()) if down else (key, Card.id)))
        .limit(CARDS_A_PAGE + 1)
        .subquery()
    )
    return (
        faces(Stage.name.label("stage_name"), found.c.sort_key)
        .join(found, found.c.id == Card.id)
        .order_by(*_directed(found.c, down=down))
    )


def _picked(identity: BoardIdentity, listing: Listing, at: datetime) -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = select(Card.id).where(
        Card.pipeline_id == identity.pipeline.id,
        Card.archived_at.is_(None),
        *listing.filter.conditions(at),
    )
    if listing.stage:
        stage_ids = [stage.id for stage in identity.stages if stage.key == listing.stage]
        query = query.where(Card.stage_id.in_(stage_ids))
    if listing.filter.needs_account and listing.sort != "account":
        query = query.join(Account, Account.id == Card.account_id)
    return listing.order.join(query)


def _directed(columns: Any, *, down: bool) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    if down:
        return columns.sort_key.desc(), columns.id.desc()
    return columns.sort_key.asc(), columns.id.asc()
