"""The board's SQL: one grouped aggregate for all totals, one lateral query for all columns' first cards."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, case, func, select, true, tuple_
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import SQLColumnExpression

from lifecycle.core.db import among, db
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


# A statement is built once for each filter, and not for each reader: that takes longer than answering it.
_STATEMENTS_KEPT = 256
_AT = bindparam("at", type_=Card.sla_due_at.type)
_FOLDED = select(CollapsedColumn.stage_id, CollapsedColumn.is_collapsed).where(
    CollapsedColumn.user_id == bindparam("reader")
)


def totals_by_stage(pipeline_id: int, narrowed: BoardFilter, at: datetime) -> Rows:
    """Return rows of (stage_id, currency, cards, total, breached): exact, and filtered like the board."""
    if narrowed.is_empty:
        return read_totals(at, pipeline_id)
    return db.session.execute(_totals(narrowed), {"pipeline": pipeline_id, "at": at}).all()


@lru_cache(_STATEMENTS_KEPT)
def _totals(narrowed: BoardFilter) -> Select[*tuple[Any, ...]]:
    breached = func.count(case((and_(Card.sla_due_at < _AT, Card.is_paused.is_(False)), 1)))
    query = (
        select(
            Card.stage_id,
            Card.value_currency.label("currency"),
            func.count().label("cards"),
            func.sum(Card.value_amount).label("total"),
            breached.label("breached"),
        )
        .where(
            Card.pipeline_id == bindparam("pipeline"), Card.archived_at.is_(None), *narrowed.conditions(_AT)
        )
        .group_by(Card.stage_id, Card.value_currency)
    )
    return query.join(Account, Account.id == Card.account_id) if narrowed.needs_account else query


def first_cards(stage_ids: Sequence[int], narrowed: BoardFilter, at: datetime, limit: int) -> Rows:
    """Return the first `limit` cards of each of these stages, in board order. One query."""
    return db.session.execute(_first_cards(narrowed, limit), {"stages": stage_ids, "at": at}).all()


@lru_cache(_STATEMENTS_KEPT)
def _first_cards(narrowed: BoardFilter, limit: int) -> Select[*tuple[Any, ...]]:
    column = aliased(Stage)
    cards = select(*_FACE).where(Card.stage_id == column.id, Card.archived_at.is_(None))
    if narrowed.needs_account:
        cards = cards.join(Account, Account.id == Card.account_id)
    top = cards.where(*narrowed.conditions(_AT)).order_by(Card.board_order, Card.id).limit(limit).lateral()
    return (
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
        .where(among(column.id, "stages"))
        .order_by(column.position, top.c.board_order, top.c.id)
    )


def column_page(
    stage_id: int, narrowed: BoardFilter, at: datetime, after: tuple[int, uuid.UUID], limit: int
) -> Rows:
    """Return the `limit` cards of a stage that follow `after` = (board_order, id). One query."""
    values = {"stage": stage_id, "order": after[0], "card": after[1], "at": at}
    return db.session.execute(_column_page(narrowed, limit), values).all()


@lru_cache(_STATEMENTS_KEPT)
def _column_page(narrowed: BoardFilter, limit: int) -> Select[*tuple[Any, ...]]:
    after = tuple_(bindparam("order", type_=Card.board_order.type), bindparam("card", type_=Card.id.type))
    return (
        _faces()
        .where(
            Card.stage_id == bindparam("stage"),
            Card.archived_at.is_(None),
            tuple_(Card.board_order, Card.id) > after,
            *narrowed.conditions(_AT),
        )
        .order_by(Card.board_order, Card.id)
        .limit(limit)
    )


def faces_of(pipeline_id: int, card_ids: Sequence[uuid.UUID], narrowed: BoardFilter, at: datetime) -> Rows:
    """Return the cards of the pipeline among `card_ids` that the filtered board shows. One query.

    `following` is the card that follows in its column, None for the last.
    """
    values = {"pipeline": pipeline_id, "cards": card_ids, "at": at}
    return db.session.execute(_faces_of(narrowed), values).all()


@lru_cache(_STATEMENTS_KEPT)
def _faces_of(narrowed: BoardFilter) -> Select[*tuple[Any, ...]]:
    next_card, its_account = aliased(Card), aliased(Account)
    following = (
        select(next_card.id)
        .where(
            next_card.stage_id == Card.stage_id,
            next_card.archived_at.is_(None),
            tuple_(next_card.board_order, next_card.id) > tuple_(Card.board_order, Card.id),
            *narrowed.conditions(_AT, next_card, its_account),
        )
        .order_by(next_card.board_order, next_card.id)
        .limit(1)
        .correlate(Card)
    )
    if narrowed.needs_account:
        following = following.join(its_account, its_account.id == next_card.account_id)
    return faces(following.scalar_subquery().label("following")).where(
        Card.pipeline_id == bindparam("pipeline"),
        among(Card.id, "cards"),
        Card.archived_at.is_(None),
        *narrowed.conditions(_AT),
    )


def collapsed_stages(user_id: uuid.UUID) -> dict[int, bool]:
    """Return which columns of all boards the user folded or unfolded, by stage id. One query."""
    return dict(db.session.execute(_FOLDED, {"reader": user_id}).all())


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
