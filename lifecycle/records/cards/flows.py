"""How many cards entered a pipeline, were won and were lost, and when; counted as it happens (L10).

Triggers of the database (migrations/sql/flows.sql) write down in the same transaction what a visit adds, and
what an undo or a withdrawn import takes away again, as rows that are only added: movers never wait for each
other there. A figure is the folded sum and the changes since, read in one statement, and so exact.

They are kept by quarters of an hour, since in every time zone a day begins with one (from 1972 on): the weeks
of any reader are whole sums of them, and a season is some thousand rows however many cards it saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Identity, Row
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.db import Model, db


class FlowTotal(Model):
    """What began in a pipeline in the quarter of an hour that begins at `at`, as of the last fold.

    Counted are first visits and those of closed stages, by the true time of entry; without what has none, was
    undone, or came with an import that was withdrawn.
    """

    __tablename__ = "flow_totals"

    at: Mapped[datetime] = mapped_column(primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipelines.id"), primary_key=True)
    entered: Mapped[int]
    won: Mapped[int]
    lost: Mapped[int]


class FlowChange(Model):
    """What is to be added to a total; what was taken away again is negative."""

    __tablename__ = "flow_changes"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int]
    at: Mapped[datetime]
    entered: Mapped[int]
    won: Mapped[int]
    lost: Mapped[int]


_SPAN: Final = "at >= (cast(:bounds as timestamptz[]))[1] and at < :end"
_READ: Final = sa.text(f"""
select pipeline_id, width_bucket(at, cast(:bounds as timestamptz[])) - 1 as span,
    sum(entered)::bigint as entered, sum(won)::bigint as won, sum(lost)::bigint as lost
from (
    select pipeline_id, at, entered, won, lost from flow_totals where {_SPAN}
    union all
    select pipeline_id, at, entered, won, lost from flow_changes where {_SPAN}) part
group by 1, 2""")  # noqa: S608 - our own words
# One statement, and so one snapshot: a change that it does not take away is in none of its figures.
_FOLD: Final = sa.text("""
with gone as (
    delete from flow_changes where id in (select id from flow_changes order by id for update skip locked)
    returning pipeline_id, at, entered, won, lost)
insert into flow_totals as t (at, pipeline_id, entered, won, lost)
select at, pipeline_id, sum(entered), sum(won), sum(lost) from gone group by 1, 2 order by 1, 2
on conflict (at, pipeline_id) do update
set entered = t.entered + excluded.entered, won = t.won + excluded.won, lost = t.lost + excluded.lost
""")

Rows = Sequence[Row[*tuple[Any, ...]]]


def read_flows(bounds: Sequence[datetime]) -> Rows:
    """Return rows of (pipeline_id, span, entered, won, lost), exact. One query.

    Args:
        bounds: where each span begins and, last, where the last one ends; each on a quarter of an hour.
            `span` counts from 0. A span in which nothing happened has no row.
    """
    *starts, end = bounds
    return db.session.execute(_READ, {"bounds": starts, "end": end}).all()


def fold_flows() -> None:
    """Add the changes to the totals. Within the caller's transaction; what another folds is left to it."""
    db.session.execute(_FOLD)
