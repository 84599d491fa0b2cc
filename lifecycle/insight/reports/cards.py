"""The cards behind a number: each figure of a report by its name, as the rows that were counted (L10)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from lifecycle.core.errors import NotFound
from lifecycle.insight.reports.funnel import FURTHEST, IN_PERIOD, ranks_of
from lifecycle.insight.reports.scope import Scope
from lifecycle.insight.reports.stays import fetch
from lifecycle.insight.reports.velocity import CYCLE_ENDS, FINISHED

PAGE: Final = 100

# By figure: the SQL of its rows (card_id, at, length in seconds), whether it is of one stage, and its words.
# It reads `cohort` and `closed`; what a query does not read, PostgreSQL does not compute.
_COHORT: Final = "select k.card_id, null::timestamptz as at, null::float as length from cohort k "
_NOW: Final = "join chosen c on c.id = k.card_id join stages w on w.id = c.stage_id "
_STAY: Final = (
    "select s.card_id, {0} as at, extract(epoch from s.left_at - s.entered_at)::float as length from stays s "
    "join stages w on w.id = s.stage_id "
)
_STANDING: Final = (
    "select s.card_id, s.entered_at as at, case when not s.is_undated "
    "then extract(epoch from :at - s.entered_at)::float end as length "
    "from stays s join chosen c on c.id = s.card_id "
    "where s.left_at is null and c.archived_at is null and s.stage_id = :stage"
)
_CLOSED: Final = (
    "select card_id, ended_at as at, extract(epoch from ended_at - began_at)::float as length "
    "from closed where "
)
_RANK: Final = "(select rank from ranks where stage_id = :stage)"
FIGURES: Final[dict[str, tuple[str, bool, str]]] = {
    "cohort": (_COHORT, False, "Cards that began"),
    "reached": (_COHORT + f"where k.furthest >= {_RANK}", True, "Reached {stage}"),
    "went-on": (_COHORT + f"where k.furthest > {_RANK}", True, "Went on from {stage}"),
    "dropped": (
        _COHORT + _NOW + f"where k.furthest = {_RANK} and w.kind = 'lost'",
        True,
        "Lost, with {stage} as the furthest",
    ),
    "here": (
        _COHORT + _NOW + f"where k.furthest = {_RANK} and w.kind <> 'lost'",
        True,
        "No further than {stage}, and not lost",
    ),
    "entered": (
        _STAY.format("s.entered_at") + f"where s.stage_id = :stage and {IN_PERIOD.format('s')}",
        True,
        "Entered {stage}",
    ),
    "left": (
        _STAY.format("s.left_at") + "where s.stage_id = :stage and s.left_at >= :start and s.left_at < :end",
        True,
        "Left {stage}",
    ),
    "stayed": (
        _STAY.format("s.left_at") + f"where s.stage_id = :stage and {FINISHED}",
        True,
        "Finished stays in {stage}",
    ),
    "won": (_STAY.format("s.entered_at") + f"where w.kind = 'won' and {IN_PERIOD.format('s')}", False, "Won"),
    "lost": (
        _STAY.format("s.entered_at") + f"where w.kind = 'lost' and {IN_PERIOD.format('s')}",
        False,
        "Lost",
    ),
    "now": (_STANDING, True, "In {stage} now"),
    "breached": (_STANDING + " and c.sla_due_at < :at and not c.is_paused", True, "Past the SLA in {stage}"),
    "cycles-won": (_CLOSED + "kind = 'won'", False, "From first entry to won"),
    "cycles-lost": (_CLOSED + "kind = 'lost'", False, "From first entry to lost"),
}


@dataclass(frozen=True)
class Counted:
    """One card, or one stay of it, that a figure counts. `days` is the stay's, cycle's or age's length."""

    id: uuid.UUID
    title: str
    account: str
    stage: str
    owner: str
    value: Decimal | None
    currency: str | None
    at: datetime | None
    days: float | None


@dataclass(frozen=True)
class Behind:
    """What is behind a figure: its words, how many rows it counts, and a page of them."""

    words: str
    count: int
    rows: list[Counted]
    page: int

    @property
    def has_more(self) -> bool:
        """Whether rows follow this page."""
        return self.page * PAGE < self.count


def read_behind(scope: Scope, figure: str, stage_key: str = "", page: int = 1) -> Behind:
    """Return the rows that a figure counts, the longest and latest first. One statement.

    Raises:
        NotFound: there is no such figure, or no such stage.
    """
    if figure not in FIGURES:
        raise NotFound("There is no such figure.")
    query, is_of_stage, words = FIGURES[figure]
    stage = scope.stage(stage_key) if is_of_stage else None
    page = min(max(page, 1), 100_000)
    found = fetch(
        scope,
        f"""{FURTHEST}{CYCLE_ENDS}, counted as ({query}), picked as (
            select *, count(*) over () as n from counted
            order by length desc nulls last, at desc nulls last, card_id limit :limit offset :offset
        )
        select p.*, k.id, k.title, a.name as account, st.name as stage, u.name as owner, k.value_amount,
               k.value_currency
        from picked p join cards k on k.id = p.card_id join accounts a on a.id = k.account_id
        join stages st on st.id = k.stage_id join users u on u.id = k.owner_id
        order by p.length desc nulls last, p.at desc nulls last, p.card_id""",
        stage=stage.id if stage else None,
        has_period=scope.has_period,
        limit=PAGE,
        offset=(page - 1) * PAGE,
        **ranks_of(scope),
    )
    return Behind(
        words=words.format(stage=stage.name if stage else ""),
        count=found[0].n if found else 0,
        rows=[_counted(row) for row in found],
        page=page,
    )


def _counted(row: Any) -> Counted:
    return Counted(
        id=row.id,
        title=row.title,
        account=row.account,
        stage=row.stage,
        owner=row.owner,
        value=row.value_amount,
        currency=row.value_currency,
        at=row.at,
        days=None if row.length is None else row.length / 86400,
    )
