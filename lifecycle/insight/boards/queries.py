"""The board's SQL: one grouped aggregate for all totals, one lateral query for all columns' first cards."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, case, func, select, true, tuple_
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import SQLColumnExpression

from lifecycle.core.db import db
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, CollapsedColumn, StageVisit
from lifecycle.records.cards.totals import read_totals
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Stage

Rows = Sequence[Row[*tuple[Any, ...]]]
_FACE = (
    Card.id,
    Card.visit_id,
    Card.version,
    Card.stage_id,
    Card.revision_id,
    Card.account_id,
    Card.owner_id,
    Card.title,
    Card.value_amount,
    Card.value_currency,
    Card.sla_due_at,
    Card.is_paused,
    Card.waiting_on_client,
    Card.client_status,
    Card.gate_passed,
    Card.gate_total,
    Card.next_action,
    Card.next_action_due_at,
    Card.board_order,
    Card.created_at,
)


def totals_by_stage(pipeline_id: int, narrowed: BoardFilter, at: datetime) -> Rows:
    """Return rows of (stage_id, currency, cards, total, breached): exact, and filtered like the board."""
    if narrowed.is_empty:
        return read_totals(at, pipeline_id)
    breached = func.count(case((and_(Card.sla_due_at < at, Card.is_paused.is_(False)), 1)))
    query = (
        select(
            Card.stage_id,
            Card.value_currency.label("currency"),
            func.count().label("cards"),
            func.sum(Card.value_amount).label("total"),
            breached.label("breached"),
        )
        .where(Card.pipeline_id == pipeline_id, Card.archived_at.is_(None), *narrowed.conditions(at))
        .group_by(Card.stage_id, Card.value_currency)
    )
    if narrowed.needs_account:
        query = query.join(Account, Account.id == Card.account_id)
    return db.session.execute(query).all()


def first_cards(stage_ids: Sequence[int], narrowed: BoardFilter, at: datetime, limit: int) -> Rows:
    """Return the first `limit` cards of each of these stages, in board order. One query."""
    column = aliased(Stage)
    cards = select(*_FACE).where(Card.stage_id == column.id, Card.archived_at.is_(None))
    if narrowed.needs_account:
        cards = cards.join(Account, Account.id == Card.account_id)
    top = cards.where(*narrowed.conditions(at)).order_by(Card.board_order, Card.id).limit(limit).lateral()
    query = (
        select(
            *top.c,
            column.key.label("stage_key"),
            Pipeline.key.label("pipeline_key"),
            Account.name.label("account_name"),
            Account.segment,
            User.name.label("owner_name"),
            _ENTERED_AT,
            StageVisit.is_imported,
        )
        .select_from(column)
        .join(top, true())
        .join(Pipeline, Pipeline.id == column.pipeline_id)
        .join(Account, Account.id == top.c.account_id)
        .join(StageVisit, StageVisit.id == top.c.visit_id)
        .outerjoin(_CONTINUED, _CONTINUED.id == StageVisit.continues_visit_id)
        .join(User, User.id == top.c.owner_id)
        .where(column.id.in_(stage_ids))
        .order_by(column.position, top.c.board_order, top.c.id)
    )
    return db.session.execute(query).all()


def column_page(
    stage_id: int, narrowed: BoardFilter, at: datetime, after: tuple[int, uuid.UUID], limit: int
) -> Rows:
    """Return the `limit` cards of a stage that follow `after` = (board_order, id). One query."""
    query = _faces().where(
        Card.stage_id == stage_id,
        Card.archived_at.is_(None),
        tuple_(Card.board_order, Card.id) > after,
        *narrowed.conditions(at),
    )
    return db.session.execute(query.order_by(Card.board_order, Card.id).limit(limit)).all()


def faces_of(pipeline_id: int, card_ids: Sequence[uuid.UUID], narrowed: BoardFilter, at: datetime) -> Rows:
    """Return the cards of the pipeline among `card_ids` that the filtered board shows. One query."""
    query = _faces().where(
        Card.pipeline_id == pipeline_id,
        Card.id.in_(card_ids),
        Card.archived_at.is_(None),
        *narrowed.conditions(at),
    )
    return db.session.execute(query).all()


def next_in_column(rows: Rows, narrowed: BoardFilter, at: datetime) -> dict[uuid.UUID, uuid.UUID]:
    """Return for each card the one that follows it in its column, where there is one. One query."""
    if not rows:
        return {}
    here, there = aliased(Card), Card
    following = (
        select(there.id)
        .join(Account, Account.id == there.account_id)
        .where(
            there.stage_id == here.stage_id,
            there.archived_at.is_(None),
            tuple_(there.board_order, there.id) > tuple_(here.board_order, here.id),
            *narrowed.conditions(at),
        )
        .order_by(there.board_order, there.id)
        .limit(1)
        .correlate(here)
        .scalar_subquery()
    )
    found = db.session.execute(select(here.id, following).where(here.id.in_([row.id for row in rows])))
    return dict(found.all())


def collapsed_stages(user_id: uuid.UUID) -> dict[int, bool]:
    """Return which columns of all boards the user folded or unfolded, by stage id. One query."""
    rows = db.session.execute(
        select(CollapsedColumn.stage_id, CollapsedColumn.is_collapsed).where(
            CollapsedColumn.user_id == user_id
        )
    )
    return dict(rows.all())


# After an undo the stay goes on that a mistaken move had interrupted.
_CONTINUED = aliased(StageVisit)
_ENTERED_AT = func.coalesce(_CONTINUED.entered_at, StageVisit.entered_at).label("entered_at")


def _faces() -> Select[*tuple[Any, ...]]:
    return (
        select(
            *_FACE,
            Stage.key.label("stage_key"),
            Pipeline.key.label("pipeline_key"),
            Account.name.label("account_name"),
            Account.segment,
            User.name.label("owner_name"),
            _ENTERED_AT,
            StageVisit.is_imported,
        )
        .join(Account, Account.id == Card.account_id)
        .join(User, User.id == Card.owner_id)
        .join(StageVisit, StageVisit.id == Card.visit_id)
        .outerjoin(_CONTINUED, _CONTINUED.id == StageVisit.continues_visit_id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
    )


def faces(*more: SQLColumnExpression[Any]) -> Select[*tuple[Any, ...]]:
    """Return the query for the faces of all cards, to be narrowed and put in order.

    Args:
        more: further columns of the tables it reads: Card, Account, User, StageVisit, Stage and Pipeline.
    """
    return _faces().add_columns(*more)
