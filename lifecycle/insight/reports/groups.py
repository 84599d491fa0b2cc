"""The same figures side by side, by a dimension or by month of beginning (L10, L11)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.insight.reports.scope import DIMENSIONS, NONE, Scope
from lifecycle.insight.reports.stays import fetch, in_days
from lifecycle.insight.reports.value import first_values
from lifecycle.insight.reports.velocity import CYCLES_OF_ALL
from lifecycle.records.people.models import User

GROUPS: Final = {**{key: label for key, (label, _) in DIMENSIONS.items()}, "month": "Month of first entry"}
MOST_GROUPS: Final = 200
MONTHS_SHOWN: Final = 24


@dataclass(frozen=True)
class Group:
    """The cohort's cards with one value of a dimension. `value` is for addresses, `name` for people.

    `cards` = `open` + `won` + `lost`, by where they stand now; `median_days` from first entry to close.
    `valued` of them reached first value, half of these within `median_value_days`.
    """

    value: str
    name: str
    cards: int
    open: int
    won: int
    lost: int
    median_days: float | None
    valued: int
    median_value_days: float | None

    @property
    def month(self) -> date:
        """The first day of the month, of a group by month."""
        return date.fromisoformat(f"{self.value}-01")

    @property
    def win_rate(self) -> float | None:
        """Won of won and lost; None when neither is."""
        return self.won / (self.won + self.lost) if self.won + self.lost else None


@dataclass(frozen=True)
class Month:
    """What happened in a calendar month of the reader's zone."""

    first: date
    entered: int
    won: int
    lost: int


def read_groups(scope: Scope, by: str) -> list[Group]:
    """Return the cohort by one of GROUPS, the largest first, months in order; at most 200.

    Two statements, three where the playbook says what first value is.
    """
    by = by if by in GROUPS else "owner"
    rows = fetch(
        scope,
        # One aggregate a card, joined by an index. Without one it would be a loop over a loop: the planner
        # takes the aggregate for a handful of rows.
        CYCLES_OF_ALL
        + f""", begun as (
            select e.card_id, min(e.began_at) as began_at,
                   max(extract(epoch from e.ended_at - e.began_at)) filter (
                       where st.kind <> 'open' and not e.is_undated)::float as length
            from ended e join stages st on st.id = e.stage_id group by 1
            having min(e.began_at) >= :start and min(e.began_at) < :end
               and (not bool_or(e.is_undated) or not :has_period)
        )
        select {_label(by)} as value, count(*) as cards, count(*) filter (where st.kind = 'won') as won,
               count(*) filter (where st.kind = 'lost') as lost,
               percentile_cont(0.5) within group (order by b.length)
                   filter (where st.kind <> 'open') as median
        from begun b join cards k on k.id = b.card_id
        join accounts a on a.id = k.account_id join stages st on st.id = k.stage_id
        group by 1 order by {"1" if by == "month" else "2 desc, 1"} limit {MOST_GROUPS}""",
        zone=scope.zone.key,
        has_period=scope.has_period,
    )
    valued = _valued(scope, by)
    names = _names([row.value for row in rows]) if by == "owner" else {}
    return [
        _group(row, names.get(row.value) or scope.value_name(by, row.value or NONE), valued.get(row.value))
        for row in rows
    ]


def _label(by: str) -> str:
    if by == "month":
        return "to_char(b.began_at at time zone :zone, 'YYYY-MM')"
    return DIMENSIONS[by][1].replace("c.owner_id", "k.owner_id").replace("c.fields", "k.fields")


def _valued(scope: Scope, by: str) -> dict[str | None, Any]:
    """Return how many of the cohort reached first value, and the median, by group."""
    if scope.definition.first_value is None:
        return {}
    valued, given = first_values(scope)
    rows = fetch(
        scope,
        valued
        + f""" select {_label(by)} as value, count(*) as valued,
               percentile_cont(0.5) within group (order by b.length) as median
        from valued b join cards k on k.id = b.card_id join accounts a on a.id = k.account_id
        where b.began_at >= :start and b.began_at < :end group by 1""",
        **{"zone": scope.zone.key, **given},
    )
    return {row.value: row for row in rows}


def _group(row: Any, name: str, valued: Any) -> Group:
    return Group(
        value=NONE if row.value is None else row.value,
        name=name,
        cards=row.cards,
        open=row.cards - row.won - row.lost,
        won=row.won,
        lost=row.lost,
        median_days=in_days(row.median),
        valued=valued.valued if valued else 0,
        median_value_days=in_days(valued.median) if valued else None,
    )


def _names(ids: list[str]) -> dict[str, str]:
    wanted = [uuid.UUID(each) for each in ids if each]
    rows = db.session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    return {str(user_id): name for user_id, name in rows}


def read_trend(scope: Scope) -> list[Month]:
    """Return the last months up to the last in which anything happened, without gaps. One statement."""
    rows = fetch(
        scope,
        """ select date_trunc('month', s.entered_at at time zone :zone)::date as first,
               count(*) filter (where s.number = 1) as entered,
               count(*) filter (where st.kind = 'won') as won,
               count(*) filter (where st.kind = 'lost') as lost
        from stays s join stages st on st.id = s.stage_id
        where s.entered_at >= :start and s.entered_at < :end and not s.is_undated
          and (s.number = 1 or st.kind <> 'open') group by 1 order by 1""",
        zone=scope.zone.key,
    )
    found = {row.first: Month(row.first, row.entered, row.won, row.lost) for row in rows}
    if not found:
        return []
    months: list[Month] = []
    each = max(found)
    while each >= min(found) and len(months) < MONTHS_SHOWN:
        months.append(found.get(each, Month(each, 0, 0, 0)))
        each = date(each.year - (each.month == 1), (each.month - 2) % 12 + 1, 1)
    return months[::-1]
