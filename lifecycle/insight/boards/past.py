"""A board as it stood at a past moment (E23): read from the visits, which never change once finished.

Who owned a card and when it had to leave are those of its visit. What else stood on its face then, its value
and next action, was not kept column by column and is not shown.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select, true

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.insight.boards.board import BoardIdentity
from lifecycle.insight.boards.view import short_span
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Stage

CARDS_A_COLUMN = 20
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PastFace:
    """A card then: its owner, how long it had stood there, and by how much it was late ("" if it was not)."""

    id: uuid.UUID
    title: str
    account_name: str
    owner_name: str
    age_label: str
    late_label: str


@dataclass
class PastColumn:
    """A stage then: how many cards stood there, and those that had to leave first."""

    key: str
    name: str
    kind: str
    is_retired: bool
    count: int = 0
    breached: int = 0
    cards: list[PastFace] = field(default_factory=list)

    @property
    def hidden(self) -> int:
        """How many cards are not shown."""
        return self.count - len(self.cards)


@dataclass(frozen=True)
class PastBoard:
    """The board at `at`."""

    identity: BoardIdentity
    at: datetime
    columns: list[PastColumn]

    @property
    def count(self) -> int:
        """How many cards stood anywhere."""
        return sum(column.count for column in self.columns)


def read_moment(text: str, present: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment that an address names, in the reader's zone; a day before the present if none.

    Raises:
        Invalid: it is no date and time, or not in the past.
    """
    if not text.strip():
        return present - timedelta(days=1)
    try:
        wall = datetime.fromisoformat(text.strip())
        at = (wall if wall.tzinfo else wall.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("Name the moment by a date and a time, like 2026-03-31T14:00.") from None
    if at > present:
        raise Invalid("That moment is still to come. Name one in the past.")
    return max(at, _EARLIEST)


def read_past_board(identity: BoardIdentity, at: datetime) -> PastBoard:
    """Return the board as it stood at `at`, taken-back moves included. Two queries."""
    columns = {
        stage.id: PastColumn(stage.key, stage.name, stage.kind, stage.retired_at is not None)
        for stage in identity.stages
    }
    late = and_(Stage.kind == "open", StageVisit.sla_due_at < at)
    counted = (
        select(StageVisit.stage_id, func.count().label("cards"), func.count().filter(late).label("late"))
        .join(Card, Card.id == StageVisit.card_id)
        .join(Stage, Stage.id == StageVisit.stage_id)
        .where(Card.pipeline_id == identity.pipeline.id, *_stood(at))
        .group_by(StageVisit.stage_id)
    )
    for row in db.session.execute(counted):
        columns[row.stage_id].count, columns[row.stage_id].breached = row.cards, row.late
    _fill(identity, columns, at)
    return PastBoard(
        identity, at, [column for column in columns.values() if not column.is_retired or column.count]
    )


def _fill(identity: BoardIdentity, columns: dict[int, PastColumn], at: datetime) -> None:
    first = (
        select(StageVisit.card_id, StageVisit.entered_at, StageVisit.sla_due_at, StageVisit.owner_id)
        .join(Card, Card.id == StageVisit.card_id)
        .where(StageVisit.stage_id == Stage.id, *_stood(at))
        .order_by(StageVisit.sla_due_at.asc().nulls_last(), StageVisit.entered_at, StageVisit.id)
        .limit(CARDS_A_COLUMN)
        .lateral()
    )
    rows = db.session.execute(
        select(
            Stage.id.label("stage_id"),
            Stage.kind,
            Card.id,
            Card.title,
            Account.name.label("account_name"),
            User.name.label("owner_name"),
            first.c.entered_at,
            first.c.sla_due_at,
        )
        .select_from(Stage)
        .join(first, true())
        .join(Card, Card.id == first.c.card_id)
        .join(Account, Account.id == Card.account_id)
        .join(User, User.id == first.c.owner_id)
        .where(Stage.pipeline_id == identity.pipeline.id)
        .order_by(Stage.position, first.c.sla_due_at.asc().nulls_last(), first.c.entered_at, Card.id)
    )
    for row in rows:
        is_late = row.kind == "open" and row.sla_due_at is not None and row.sla_due_at < at
        columns[row.stage_id].cards.append(
            PastFace(
                row.id,
                row.title,
                row.account_name,
                row.owner_name,
                short_span(at - row.entered_at),
                f"{short_span(at - row.sla_due_at)} over" if is_late else "",
            )
        )


def _stood(at: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions that a visit was going on at `at`, of a card that counted then."""
    return [
        StageVisit.entered_at <= at,
        or_(StageVisit.left_at.is_(None), StageVisit.left_at > at),
        Card.withdrawn_at.is_(None),
        or_(Card.archived_at.is_(None), Card.archived_at > at),
    ]
