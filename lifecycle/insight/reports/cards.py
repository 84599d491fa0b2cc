"""The cards behind a number: each figure of a report by its name, as the rows that were counted (L10)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from lifecycle.core.errors import NotFound
from lifecycle.insight.reports.funnel import (
    ASKED,
    FURTHEST,
    IN_PERIOD,
    SAID,
    asked_as_given,
    asked_on_closing,
    ranks_of,
)
from lifecycle.insight.reports.scope import Scope
from lifecycle.insight.reports.stays import fetch, in_days
from lifecycle.insight.reports.value import VALUED, first_values
from lifecycle.insight.reports.velocity import CYCLE_ENDS, known_measure, measured_stays

PAGE: Final = 100

# By figure: the SQL of its rows (card_id, at, length in seconds), whether it is of one stage, and its words.
# It reads `cohort` and `closed`; what a query does not read, PostgreSQL does not compute.
_COHORT: Final = "select k.card_id, null::timestamptz as at, null::float as length from cohort k "
_NOW: Final = "join cards c on c.id = k.card_id join stages w on w.id = c.stage_id "
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
    "beside": (_COHORT + "where k.furthest = 0", False, "Only in stages beside the path"),
    "cohort-open": (_COHORT + _NOW + "where w.kind = 'open'", False, "Began, and open now"),
    "cohort-won": (_COHORT + _NOW + "where w.kind = 'won'", False, "Began, and won"),
    "cohort-lost": (_COHORT + _NOW + "where w.kind = 'lost'", False, "Began, and lost"),
    "cohort-valued": (
        "select card_id, at, length from valued where began_at >= :start and began_at < :end",
        False,
        "Began, and reached first value",
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
    "stayed": ("select card_id, at, length from measured where stage_id = :stage", True, "Stays in {stage}"),
    "late": (
        "select card_id, at, length from measured where stage_id = :stage and is_late",
        True,
        "Late stays in {stage}",
    ),
    "won": (_STAY.format("s.entered_at") + f"where w.kind = 'won' and {IN_PERIOD.format('s')}", False, "Won"),
    "lost": (
        _STAY.format("s.entered_at") + f"where w.kind = 'lost' and {IN_PERIOD.format('s')}",
        False,
        "Lost",
    ),
    "now": (_STANDING, True, "In {stage} now"),
    "breached": (_STANDING + " and c.sla_due_at < :at and not c.is_paused", True, "Past the SLA in {stage}"),
    "undated": (_STANDING + " and s.is_undated", True, "In {stage} since nobody knows when"),
    "closed-for": (
        _STAY.format("s.entered_at")
        + "left join asked q on q.stage_id = s.stage_id "
        + f"where s.stage_id = :stage and {SAID} = cast(:reason as text) and {IN_PERIOD.format('s')}",
        True,
        "{stage}: {reason}",
    ),
    "valued": (f"select card_id, at, length from valued where {VALUED}", False, "Reached first value"),
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


@dataclass(frozen=True)
class Figure:
    """Which number is asked about: its name in FIGURES, and what of the report it depends on.

    `stage` is a key; `time` and `which` are of TIMES and STAYS; `reason` is what was kept on closing.
    """

    name: str
    stage: str = ""
    time: str = ""
    which: str = ""
    reason: str = ""


def read_behind(scope: Scope, figure: Figure, page: int = 1) -> Behind:
    """Return the rows that a figure counts, the longest and latest first. One statement.

    Raises:
        NotFound: there is no such figure, or no such stage.
    """
    if figure.name not in FIGURES:
        raise NotFound("There is no such figure.")
    query, is_of_stage, words = FIGURES[figure.name]
    stage = scope.stage(figure.stage) if is_of_stage else None
    page = min(max(page, 1), 100_000)
    valued, given = first_values(scope)
    asked = asked_on_closing(scope)
    measured = measured_stays(*known_measure(figure.time, figure.which))
    found = fetch(
        scope,
        f"""{FURTHEST}{CYCLE_ENDS}{valued}{ASKED}, measured as ({measured}), counted as ({query}), picked as (
            select *, count(*) over () as n from counted
            order by length desc nulls last, at desc nulls last, card_id limit :limit offset :offset
        )
        select p.*, k.id, k.title, a.name as account, st.name as stage, u.name as owner, k.value_amount,
               k.value_currency
        from picked p join cards k on k.id = p.card_id join accounts a on a.id = k.account_id
        join stages st on st.id = k.stage_id join users u on u.id = k.owner_id
        order by p.length desc nulls last, p.at desc nulls last, p.card_id""",
        stage=stage.id if stage else None,
        reason=figure.reason.replace("\x00", ""),
        has_period=scope.has_period,
        limit=PAGE,
        offset=(page - 1) * PAGE,
        **ranks_of(scope),
        **given,
        **asked_as_given(asked),
    )
    options = asked[stage.id][1] if stage and stage.id in asked else {}
    reason = options.get(figure.reason, figure.reason) or "no reason given"
    return Behind(
        words=words.format(stage=stage.name if stage else "", reason=reason),
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
        days=in_days(row.length),
    )
