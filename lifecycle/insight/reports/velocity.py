"""How long cards stay in each stage and until they close, and how old what stands there is (L11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from lifecycle.insight.reports.scope import Scope
from lifecycle.insight.reports.stays import CLOSED_ONCE, CYCLES, fetch, in_days
from lifecycle.insight.reports.value import VALUED, first_values

NO_FIGURE: Final = "\u2013"

# What a stay's length is. Business seconds are those of the stage's calendar, as the engine wrote them.
TIMES: Final[dict[str, tuple[str, str]]] = {
    "calendar": ("Calendar time", "extract(epoch from s.left_at - s.entered_at)"),
    "business": ("Business time", "s.our_seconds + s.client_seconds"),
    "ours": ("Our business time", "s.our_seconds"),
    "client": ("Business time of the client", "s.client_seconds"),
}
# Which stays of a card count.
STAYS: Final[dict[str, str]] = {
    "each": "Each stay",
    "first": "First stay",
    "last": "Last stay",
    "total": "Total stay",
}


@dataclass(frozen=True)
class Spread:
    """How lengths are distributed, in days; all None when there is nothing to measure."""

    count: int
    median: float | None
    mean: float | None
    p75: float | None
    p90: float | None


@dataclass(frozen=True)
class StageTime:
    """A stage's finished stays in the period against its target, and the cards that stand there now.

    `target` is the SLA in the playbook's words. Ages are calendar days up to now; cards whose true entry
    nobody knows (imported without a date) are in `undated` and in no age.
    """

    key: str
    name: str
    target: str
    spread: Spread
    late: int
    now: int
    breached: int
    median_age: float | None
    oldest_age: float | None
    undated: int


@dataclass(frozen=True)
class Velocity:
    """The whole report. The cycles are those that closed in the period.

    `value` are the times from first entry to first value of the cards that reached it in the period; None
    where the playbook does not say what first value is.
    """

    time: str
    which: str
    stages: list[StageTime]
    won: Spread
    lost: Spread
    value: Spread | None


_SPREAD: Final = (
    "count({0}) as n, avg({0})::float as mean, "
    "percentile_cont(array[0.5, 0.75, 0.9]) within group (order by ({0})::float) as cuts"
)
FINISHED: Final = "s.left_at >= :start and s.left_at < :end and not s.is_undated"


def read_velocity(scope: Scope, time: str = "calendar", which: str = "each") -> Velocity:
    """Return the report. Four statements; inside `one_moment` they see one moment.

    Args:
        time: one of TIMES. which: one of STAYS; anything else is the first of each.
    """
    time, which = known_measure(time, which)
    measured = _measured(scope, time, which)
    standing = {row.stage_id: row for row in fetch(scope, _STANDING)}
    cycles = {row.kind: _spread(row) for row in fetch(scope, _CYCLES)}
    nothing = Spread(0, None, None, None, None)
    return Velocity(
        time=time,
        which=which,
        stages=[
            _stage_time(scope, stage, measured.get(stage.id), standing.get(stage.id))
            for stage in scope.stages
            if stage.kind == "open"
            if stage.retired_at is None or stage.id in measured or stage.id in standing
        ],
        won=cycles.get("won", nothing),
        lost=cycles.get("lost", nothing),
        value=_value(scope),
    )


def _value(scope: Scope) -> Spread | None:
    if scope.definition.first_value is None:
        return None
    valued, given = first_values(scope)
    rows = fetch(scope, f"{valued} select {_SPREAD.format('length')} from valued where {VALUED}", **given)
    return _spread(rows[0])


def known_measure(time: str, which: str) -> tuple[str, str]:
    """Return one of TIMES and one of STAYS; for what is neither, the first."""
    return (time if time in TIMES else "calendar", which if which in STAYS else "each")


def measured_stays(time: str, which: str) -> str:
    """Return the SQL of what is measured: card_id, stage_id, at (its end), length in seconds, is_late."""
    row = (
        f"s.card_id, s.stage_id, s.left_at as at, ({TIMES[time][1]})::float as length, "
        "s.sla_due_at < s.left_at as is_late"
    )
    if which == "each":
        return f"select {row} from stays s where {FINISHED}"
    if which == "total":
        # The stays of a card in a stage as one; it is finished when the last of them is.
        return f"""select s.card_id, s.stage_id, max(s.left_at) as at, sum({TIMES[time][1]})::float as length,
                          bool_or(s.sla_due_at < s.left_at) as is_late
            from stays s where not s.is_undated
            group by 1, 2
            having bool_and(s.left_at is not null) and max(s.left_at) >= :start and max(s.left_at) < :end"""
    order = "desc" if which == "last" else "asc"
    return f"""select {row} from (select distinct on (card_id, stage_id) * from stays
              order by card_id, stage_id, number {order}) s where {FINISHED}"""


def _measured(scope: Scope, time: str, which: str) -> dict[int, Any]:
    # `offset 0` keeps the length from being worked out again for each figure, and its parts out of the sort.
    narrow = f"select stage_id, length, is_late from ({measured_stays(time, which)}) every offset 0"
    rows = fetch(
        scope,
        f" select m.stage_id, {_SPREAD.format('m.length')}, count(*) filter (where m.is_late) as late "
        f"from ({narrow}) m group by 1",
    )
    return {row.stage_id: row for row in rows}


# By the card's open visit, which is its last stay or continues it: of all stays few are the last. Of those
# that an undo opened there are so few that they are found first; else it would look through all visits.
_STANDING: Final = """, resumed as (
    select o.id, b.entered_at, b.entered_by_edge
    from stage_visits o join stage_visits b on b.id = o.continues_visit_id
    where o.continues_visit_id is not null and o.left_at is null
)
 select n.stage_id, count(*) as cards, count(*) filter (where n.is_undated) as undated,
        count(*) filter (where n.is_breached) as breached,
        percentile_cont(0.5) within group (order by n.age) as median_age, max(n.age) as oldest_age
 from (
    select o.stage_id, coalesce(r.entered_by_edge, o.entered_by_edge) = 'imported_undated' as is_undated,
           c.sla_due_at < :at and not c.is_paused as is_breached,
           case when coalesce(r.entered_by_edge, o.entered_by_edge) <> 'imported_undated'
                then extract(epoch from :at - coalesce(r.entered_at, o.entered_at))::float end as age
    from chosen c join stage_visits o on o.id = c.visit_id left join resumed r on r.id = o.id
    where c.archived_at is null and o.left_at is null offset 0) n
 group by 1"""

# A cycle is closed when its last stay is in a closed stage; it ended when that stay began.
_ENDED: Final = """, ended as (
    select n.card_id, n.cycle, min(n.entered_at) as began_at,
           (array_agg(n.entered_at order by n.number desc))[1] as ended_at,
           (array_agg(n.stage_id order by n.number desc))[1] as stage_id, bool_or(n.is_undated) as is_undated
    from numbered n group by 1, 2
)"""
CYCLES_OF_ALL: Final = ", " + CYCLES.strip().format(where="") + _ENDED
CYCLE_ENDS: Final = (
    ", "
    + CYCLES.strip().format(where=CLOSED_ONCE)
    + _ENDED
    + """, closed as (
    select e.*, st.kind from ended e join stages st on st.id = e.stage_id
    where st.kind <> 'open' and not e.is_undated and e.ended_at >= :start and e.ended_at < :end
)"""
)
_CYCLES: Final = (
    CYCLE_ENDS
    + f" select kind, {_SPREAD.format('extract(epoch from ended_at - began_at)')} from closed group by 1"
)


def _stage_time(scope: Scope, stage: Any, measured: Any, standing: Any) -> StageTime:
    declared = scope.definition.find_stage(stage.key)
    return StageTime(
        key=stage.key,
        name=stage.name,
        target=str(declared.sla.duration) if declared and declared.sla else "",
        spread=_spread(measured),
        late=measured.late if measured else 0,
        now=standing.cards if standing else 0,
        breached=standing.breached if standing else 0,
        median_age=in_days(standing.median_age) if standing else None,
        oldest_age=in_days(standing.oldest_age) if standing else None,
        undated=standing.undated if standing else 0,
    )


def _spread(row: Any) -> Spread:
    if row is None or not row.n:
        return Spread(0, None, None, None, None)
    return Spread(row.n, *(in_days(value) for value in (row.cuts[0], row.mean, row.cuts[1], row.cuts[2])))


def in_words(days: float | None) -> str:
    """Return a length in the unit it is best read in: `3.5 h`, `14 d`; a dash for None."""
    if days is None:
        return NO_FIGURE
    span = timedelta(days=days)
    hours = span.total_seconds() / 3600
    if hours < 1:
        return f"{hours * 60:.0f} min"
    if hours < 48:
        return f"{hours:.1f} h".replace(".0 h", " h")
    return f"{days:,.1f} d".replace(".0 d", " d")
