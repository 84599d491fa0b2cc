"""When customers reached first value, as the playbook says it: by a day, or by entry into a stage (L11)."""

from __future__ import annotations

from typing import Any, Final

from lifecycle.insight.reports.scope import Scope

VALUED: Final = "at >= :start and at < :end"

_NEVER: Final = """, valued as (
    select card_id, entered_at as began_at, entered_at as at, 0::float as length from stays where false
)"""
# One pass over the stays: an aggregate joined to them again would be a loop over a loop, for the planner
# takes it for a handful of rows. A card begins with its first visit, which no undo takes back, and only
# that one can be without a true date.
_BY_STAGE: Final = """, reaching as (
    select card_id, min(entered_at) as began_at,
           min(entered_at) filter (where stage_id = :value_stage) as at, bool_or(is_undated) as is_undated
    from stays where number = 1 or stage_id = :value_stage group by card_id
), valued as (
    select card_id, began_at, at, extract(epoch from at - began_at)::float as length
    from reaching where at is not null and not is_undated
)"""
# What an older revision kept there may be no day, as 2026-02-31 is none: then the day so many days after the
# first of its month is written otherwise.
_BY_DAY: Final = """, began as (
    select card_id, min(entered_at) as began_at from stays group by 1 having not bool_or(is_undated)
), said as (
    select b.card_id, b.began_at, {owner}.fields->>cast(:value_field as text) as day
    from began b join cards k on k.id = b.card_id join accounts a on a.id = k.account_id
), days as (
    select card_id, began_at, day as said,
           case when day ~ '^(?!0000)[0-9]{{4}}-(0[1-9]|1[0-2])-[0-9]{{2}}$'
                then (left(day, 7) || '-01')::date + right(day, 2)::int - 1 end as day
    from said
), valued as (
    select card_id, began_at, day::timestamp at time zone :zone as at,
           greatest(day - (began_at at time zone :zone)::date, 0) * 86400.0::float as length
    from days where day <= (:at at time zone :zone)::date and to_char(day, 'YYYY-MM-DD') = said
)"""


def first_values(scope: Scope) -> tuple[str, dict[str, Any]]:
    """Return the SQL of `valued` (card_id, began_at, at, length in seconds), and its parameters.

    Those are the cards in scope that reached first value, whenever. Where a day says so, whole days are
    counted from the day of the first entry, in the reader's zone; a day before it counts as none, and a day
    to come not yet. Cards whose true entry nobody knows are left out.
    """
    said = scope.definition.first_value
    if said is None:
        return _NEVER, {}
    if said.stage is not None:
        return _BY_STAGE, {"value_stage": scope.stage(said.stage).id}
    assert said.field is not None
    by_day = _BY_DAY.format(owner="k" if said.field.of == "card" else "a")
    return by_day, {"value_field": said.field.key, "zone": scope.zone.key}
