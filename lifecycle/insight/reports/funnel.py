"""The funnel: how far the cards that began in a period got, and what became of the rest (L10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from lifecycle.governance.language.model import StageDef
from lifecycle.insight.reports.scope import Scope
from lifecycle.insight.reports.stays import Rows, fetch
from lifecycle.records.playbooks.models import Stage


@dataclass(frozen=True)
class Step:
    """One stage of the funnel.

    `reached` cards of the cohort came at least this far; of those `went_on` further, `dropped` were lost with
    this as their furthest stage, and `here` are neither: reached = went_on + dropped + here.
    """

    key: str
    name: str
    kind: str
    reached: int
    went_on: int
    dropped: int
    here: int

    @property
    def conversion(self) -> float | None:
        """The share that went on; None when nobody reached the stage."""
        return self.went_on / self.reached if self.reached else None


@dataclass(frozen=True)
class Flow:
    """A stage by itself: how many stays began and ended in the period, and what stands there now.

    `worth` are the sums of the values of the cards there now, by currency.
    """

    key: str
    name: str
    kind: str
    entered: int
    left: int
    now: int
    breached: int
    worth: dict[str, Decimal]


@dataclass(frozen=True)
class Reason:
    """Why cards were closed: the words, and how many stays in closed stages say so.

    `said` is what was kept, an option's key or the words themselves; `stage_key` is the stage's.
    """

    stage: str
    kind: str
    words: str
    count: int
    stage_key: str
    said: str


@dataclass(frozen=True)
class Funnel:
    """The whole report. `cohort` cards began in the period; `won` and `lost` are closings in the period."""

    cohort: int
    elsewhere: int
    steps: list[Step]
    flows: list[Flow]
    won: int
    lost: int
    reasons: list[Reason]

    @property
    def win_rate(self) -> float | None:
        """Won of all that closed in the period; None when nothing did."""
        closed = self.won + self.lost
        return self.won / closed if closed else None


# Rank 0 is no place on the path: a card that only stood beside it.
FURTHEST: Final = """, ranks as (
    select * from unnest(cast(:stage_ids as bigint[]), cast(:ranks as int[])) as r(stage_id, rank)
), cohort as (
    select s.card_id, coalesce(max(r.rank), 0) as furthest
    from stays s left join ranks r on r.stage_id = s.stage_id
    group by s.card_id
    having min(s.entered_at) >= :start and min(s.entered_at) < :end
       and (not bool_or(s.is_undated) or not :has_period)
)"""
# An undated stay is in no period, and in the whole it is.
IN_PERIOD: Final = (
    "{0}.entered_at >= :start and {0}.entered_at < :end and (not {0}.is_undated or not :has_period)"
)


def ranks_of(scope: Scope) -> dict[str, list[int]]:
    """Return the parameters `stage_ids` and `ranks`: each stage's place on the path, from 1; won is last."""
    path = [stage for stage in scope.path if stage.kind == "open"]
    placed = {stage.id: rank for rank, stage in enumerate(path, 1)}
    placed |= {stage.id: len(path) + 1 for stage in scope.stages if stage.kind == "won"}
    return {"stage_ids": list(placed), "ranks": list(placed.values())}


def read_funnel(scope: Scope) -> Funnel:
    """Return the funnel. Three statements; inside `one_moment` they see one moment."""
    cohort = fetch(
        scope,
        FURTHEST + " select k.furthest, s.kind, count(*) as cards from cohort k "
        "join chosen c on c.id = k.card_id join stages s on s.id = c.stage_id group by 1, 2",
        has_period=scope.has_period,
        **ranks_of(scope),
    )
    flows = _flows(scope)
    return Funnel(
        cohort=sum(row.cards for row in cohort),
        elsewhere=sum(row.cards for row in cohort if row.furthest == 0),
        steps=_steps(scope, cohort),
        flows=flows,
        won=sum(flow.entered for flow in flows if flow.kind == "won"),
        lost=sum(flow.entered for flow in flows if flow.kind == "lost"),
        reasons=_reasons(scope),
    )


def _steps(scope: Scope, cohort: Rows) -> list[Step]:
    by_rank: defaultdict[int, dict[str, int]] = defaultdict(lambda: {"open": 0, "won": 0, "lost": 0})
    for row in cohort:
        by_rank[row.furthest][row.kind] += row.cards
    path = [stage for stage in scope.path if stage.kind == "open"]
    won = [stage for stage in scope.stages if stage.kind == "won"][:1]
    steps: list[Step] = []
    further = 0
    for rank, stage in reversed([*enumerate([*path, *won], 1)]):
        here = by_rank[rank]
        reached = further + sum(here.values())
        steps.append(_step(stage, reached, further, here["lost"]))
        further = reached
    return steps[::-1]


def _step(stage: Stage, reached: int, further: int, dropped: int) -> Step:
    return Step(stage.key, stage.name, stage.kind, reached, further, dropped, reached - further - dropped)


def _flows(scope: Scope) -> list[Flow]:
    rows = fetch(
        scope,
        f""", moved as (
            select s.stage_id, count(*) filter (where {IN_PERIOD.format("s")}) as entered,
                   count(*) filter (where s.left_at >= :start and s.left_at < :end) as went
            from stays s group by 1
        ), standing as (
            select stage_id, coalesce(value_currency, '') as currency, count(*) as cards,
                   sum(value_amount) as worth,
                   count(*) filter (where sla_due_at < :at and not is_paused) as breached
            from chosen where archived_at is null group by 1, 2
        )
        select st.id, coalesce(max(m.entered), 0) as entered, coalesce(max(m.went), 0) as went,
               coalesce(sum(n.cards), 0)::int as cards, coalesce(sum(n.breached), 0)::int as breached,
               jsonb_object_agg(coalesce(n.currency, ''), coalesce(n.worth, 0)::text) as worth
        from stages st left join moved m on m.stage_id = st.id left join standing n on n.stage_id = st.id
        where st.pipeline_id = :pipeline group by st.id""",
        has_period=scope.has_period,
    )
    found = {row.id: row for row in rows}
    return [
        Flow(
            stage.key,
            stage.name,
            stage.kind,
            row.entered,
            row.went,
            row.cards,
            row.breached if stage.kind == "open" else 0,
            {currency: Decimal(worth) for currency, worth in row.worth.items() if currency},
        )
        for stage in scope.stages
        if stage.retired_at is None or found[stage.id].entered or found[stage.id].cards
        for row in [found[stage.id]]
    ]


# What was answered on closing, or the reason given where nothing is asked; `q` is of `ASKED`.
SAID: Final = "coalesce(s.answers->>q.key, s.entered_reason, '')"
ASKED: Final = """, asked as (
    select * from unnest(cast(:asked_ids as bigint[]), cast(:asked_keys as text[])) as q(stage_id, key)
)"""


def asked_on_closing(scope: Scope) -> dict[int, tuple[str, dict[str, str]]]:
    """Return by closed stage the key of the question that says why, and its options."""
    return {
        stage.id: question
        for stage in scope.stages
        if stage.kind != "open" and (declared := scope.definition.find_stage(stage.key))
        if (question := _first_question(declared))
    }


def asked_as_given(asked: Mapping[int, tuple[str, dict[str, str]]]) -> dict[str, list[Any]]:
    """Return the parameters of `ASKED`."""
    return {"asked_ids": list(asked), "asked_keys": [key for key, _ in asked.values()]}


def _reasons(scope: Scope) -> list[Reason]:
    asked = asked_on_closing(scope)
    rows = fetch(
        scope,
        f"""{ASKED}
        select st.id, st.key, st.name, st.kind, {SAID} as said, count(*) as stays
        from stays s join stages st on st.id = s.stage_id left join asked q on q.stage_id = s.stage_id
        where st.kind <> 'open' and {IN_PERIOD.format("s")}
        group by 1, 2, 3, 4, 5 order by st.kind, count(*) desc, 5 limit 40""",
        has_period=scope.has_period,
        **asked_as_given(asked),
    )
    return [
        Reason(
            row.name,
            row.kind,
            asked[row.id][1].get(row.said, row.said) if row.id in asked else row.said,
            row.stays,
            row.key,
            row.said,
        )
        for row in rows
    ]


def _first_question(stage: StageDef) -> tuple[str, dict[str, str]] | None:
    """Return the key and the options of the question that says why: one with a choice before free text."""
    asked = sorted(stage.asks, key=lambda question: not question.options)
    return (asked[0].key, {each.key: each.name for each in asked[0].options}) if asked else None
