"""What stands in each stage, counted as it changes (P5): a board of 100,000 cards is not counted when opened.

A trigger of the database (migrations/sql/totals.sql) writes down in the same transaction what a changed card
takes from a stage and brings to one, as rows that are only added: movers never wait for each other there. A
total is the folded sum and the changes since, read in one statement, and so exact at any moment; folding them
now and then keeps that short. Whether a deadline is past depends on the moment, not on a change: of those the
fold counts what was past when it folded, and the reader what fell due since.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Identity, Index, Row
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.db import Model, db


class StageTotal(Model):
    """The cards on the board in one stage with one currency ("" if they have no value), as of the fold."""

    __tablename__ = "stage_totals"

    stage_id: Mapped[int] = mapped_column(ForeignKey("stages.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipelines.id"), index=True)
    cards: Mapped[int]
    amount: Mapped[Decimal] = mapped_column(sa.Numeric)
    # Past their deadline at the pipeline's `StageTotalFold.at`, and not paused.
    breached: Mapped[int]


class StageTotalFold(Model):
    """When a pipeline's changes were last folded into its totals, by the product's clock."""

    __tablename__ = "stage_total_folds"

    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipelines.id"), primary_key=True)
    at: Mapped[datetime]


class StageTotalChange(Model):
    """One card more (`cards` 1) or less (-1) in a stage since the fold; no `due_at` while it is paused."""

    __tablename__ = "stage_total_changes"
    __table_args__ = (Index("ix_stage_total_changes_pipeline", "pipeline_id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int]
    stage_id: Mapped[int]
    currency: Mapped[str]
    cards: Mapped[int]
    amount: Mapped[Decimal] = mapped_column(sa.Numeric)
    due_at: Mapped[datetime | None]


# Put together from the constants below and nothing else. `_FAR` stands for no deadline, as in the index
# ix_cards_due. After a clock was set back the reader takes away what falls due from its moment to the fold.
_FAR: Final = "'9999-12-31 00:00:00+00'::timestamptz"
_SINCE: Final = "coalesce((select at from stage_total_folds where pipeline_id = {of}), '-infinity')"
_FELL_DUE: Final = f"""
    select c.stage_id, coalesce(c.value_currency, '') as currency, 0 as cards, 0::numeric as amount,
        1 as breached
    from cards c
    where c.pipeline_id = {{of}} and c.archived_at is null and not c.is_paused
      and coalesce(c.sla_due_at, {_FAR}) >= {_SINCE} and coalesce(c.sla_due_at, {_FAR}) < :at"""  # noqa: S608
_BECAME_EARLY: Final = f"""
    select c.stage_id, coalesce(c.value_currency, ''), 0, 0::numeric, -1
    from cards c
    where c.pipeline_id = {{of}} and c.archived_at is null and not c.is_paused
      and coalesce(c.sla_due_at, {_FAR}) >= :at and coalesce(c.sla_due_at, {_FAR}) < {_SINCE}"""  # noqa: S608
_CHANGED: Final = f"""
    select stage_id, currency, cards, cards * amount, case when due_at < {_SINCE} then cards else 0 end
    from {{changes}} where pipeline_id = {{of}}"""  # noqa: S608
_PARTS: Final = f"{_FELL_DUE} union all {_BECAME_EARLY} union all {_CHANGED}"

_READ: Final = f"""
select p.id as pipeline_id, part.stage_id, nullif(part.currency, '') as currency,
    sum(part.cards)::bigint as cards, sum(part.amount) as total, sum(part.breached)::bigint as breached
from pipelines p cross join lateral (
    select stage_id, currency, cards, amount, breached from stage_totals where pipeline_id = p.id
    union all {_PARTS.format(of="p.id", changes="stage_total_changes")}) part
where {{which}}
group by p.id, part.stage_id, part.currency
having sum(part.cards) <> 0"""  # noqa: S608
_READ_ONE: Final = sa.text(_READ.format(which="p.id = :pipeline_id"))
_READ_ALL: Final = sa.text(_READ.format(which="true"))

_HOLD: Final = sa.text(
    "select 1 from stage_total_folds where pipeline_id = :pipeline_id for update skip locked"
)
_BEGIN: Final = sa.text(
    "insert into stage_total_folds (pipeline_id, at) values (:pipeline_id, '-infinity') "
    "on conflict do nothing"
)
# One statement, and so one snapshot: a change that it does not take away is in none of its figures.
_FOLD: Final = sa.text(f"""
with gone as (delete from stage_total_changes where pipeline_id = :pipeline_id returning *),
part (stage_id, currency, cards, amount, breached) as ({_PARTS.format(of=":pipeline_id", changes="gone")})
insert into stage_totals as t (pipeline_id, stage_id, currency, cards, amount, breached)
select :pipeline_id, stage_id, currency, sum(cards), sum(amount), sum(breached) from part group by 2, 3
on conflict (stage_id, currency) do update
set cards = t.cards + excluded.cards, amount = t.amount + excluded.amount,
    breached = t.breached + excluded.breached
""")  # noqa: S608
_FOLDED: Final = sa.text("update stage_total_folds set at = :at where pipeline_id = :pipeline_id")

Rows = Sequence[Row[*tuple[Any, ...]]]


def read_totals(at: datetime, pipeline_id: int | None = None) -> Rows:
    """Return rows of (pipeline_id, stage_id, currency, cards, total, breached), exact. One query.

    `total` is 0 where `currency` is None. Stages without cards have no row. `breached` counts the deadlines
    before `at` that are not paused, in closed stages too.

    Args:
        pipeline_id: only this one's.
    """
    if pipeline_id is None:
        return db.session.execute(_READ_ALL, {"at": at}).all()
    return db.session.execute(_READ_ONE, {"at": at, "pipeline_id": pipeline_id}).all()


def fold_totals(pipeline_id: int, at: datetime) -> None:
    """Add a pipeline's changes to its totals. Within the caller's transaction; if another folds, nothing."""
    values = {"pipeline_id": pipeline_id, "at": at}
    db.session.execute(_BEGIN, values)
    if db.session.execute(_HOLD, values).one_or_none() is not None:
        db.session.execute(_FOLD, values)
        db.session.execute(_FOLDED, values)
