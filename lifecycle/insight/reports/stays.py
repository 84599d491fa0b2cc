"""Stays: what reports count. A stay is a visit, with the visit that an undo made of it joined on (E23).

An undo leaves three visits: the stay, the mistaken one, and a third that continues the first. Reports see
one stay, from the first's beginning to the third's end, and nothing of the mistaken visit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, text

from lifecycle.core.db import db
from lifecycle.insight.reports.scope import Scope

Rows = Sequence[Row[*tuple[Any, ...]]]

_STAYS: Final = """
continued as (
    select continues_visit_id as id, bool_or(left_at is null) as is_open, max(left_at) as left_at,
           (array_agg(sla_due_at order by number desc))[1] as sla_due_at,
           sum(our_seconds) as our_seconds, sum(client_seconds) as client_seconds
    from stage_visits where continues_visit_id is not null group by 1
), mistaken as (
    select card_id, number - 1 as number from stage_visits where continues_visit_id is not null
), stays as (
    select v.id, v.card_id, v.number, v.stage_id, v.entered_at, v.entered_by_edge, v.entered_reason,
           v.answers,
           case when k.id is null then v.sla_due_at else k.sla_due_at end as sla_due_at,
           case when k.id is null then v.left_at when k.is_open then null else k.left_at end as left_at,
           v.our_seconds + coalesce(k.our_seconds, 0) as our_seconds,
           v.client_seconds + coalesce(k.client_seconds, 0) as client_seconds,
           v.entered_by_edge = 'imported_undated' as is_undated
    from stage_visits v
    join chosen on chosen.id = v.card_id
    left join continued k on k.id = v.id
    left join mistaken m on m.card_id = v.card_id and m.number = v.number
    where v.continues_visit_id is null and m.card_id is null
)"""

# A reactivation begins a new cycle, whose times are counted apart (L1); reopening goes on with the old one.
CYCLES: Final = """
numbered as (
    select s.*, count(*) filter (where s.entered_by_edge = 'reactivation')
                over (partition by s.card_id order by s.number) as cycle
    from stays s{where}
)"""

# Nothing else has a cycle that ended, and most cards are open.
CLOSED_ONCE: Final = """
    where s.card_id in (
        select shut.card_id from stage_visits shut join stages closed_stage on closed_stage.id = shut.stage_id
        where closed_stage.pipeline_id = :pipeline and closed_stage.kind <> 'open')"""


def fetch(scope: Scope, query: str, **parameters: Any) -> Rows:
    """Run a query that follows `with chosen …, stays …`: one statement, thus one moment.

    `chosen` are the cards in scope (id, stage_id, owner_id, value…); `stays` their stays. The parameters
    `:start`, `:end`, `:at` and those of the narrowing are given.
    """
    where, narrowing = scope.narrowing()
    start, end = scope.bounds()
    # A left join: the planner drops it where nothing of the account is asked.
    chosen = (
        "with chosen as (select c.id, c.stage_id, c.visit_id, c.owner_id, c.account_id, c.value_amount, "
        "c.value_currency, c.sla_due_at, c.is_paused, c.waiting_on_client, c.archived_at "
        f"from cards c left join accounts a on a.id = c.account_id where {where}), "
    )
    given = {"start": start, "end": end, "at": scope.at, **narrowing, **parameters}
    return db.session.execute(text(chosen + _STAYS.lstrip() + query), given).all()


def in_days(seconds: float | None) -> float | None:
    """Return seconds as days; None for None."""
    return None if seconds is None else seconds / 86400.0
