"""Reports as plain data: for JSON, CSV, and whoever computes them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from lifecycle.core.spreadsheets import UTF8_MARK, csv_line
from lifecycle.insight.reports.funnel import Funnel
from lifecycle.insight.reports.groups import Group
from lifecycle.insight.reports.scope import Scope
from lifecycle.insight.reports.stays import fetch
from lifecycle.insight.reports.velocity import Velocity


def as_data(scope: Scope, found: Funnel | Velocity, cohorts: Sequence[Group] = ()) -> dict[str, Any]:
    """Return a report as JSON can hold it; lengths are days, shares 0 to 1, sums decimal strings.

    `cohorts` are groups by month of first entry.
    """
    data: dict[str, Any] = {
        "pipeline": scope.slug,
        "from": scope.first.isoformat() if scope.first else None,
        "to": scope.last.isoformat() if scope.last else None,
        "at": scope.at.isoformat(),
        "time_zone": scope.zone.key,
        "narrowed": dict(scope.narrowed),
        **asdict(found),
        **({"cohorts": [_cohort(group) for group in cohorts]} if isinstance(found, Velocity) else {}),
    }
    if isinstance(found, Funnel):
        data["win_rate"] = found.win_rate
        for step, plain in zip(found.steps, data["steps"], strict=True):
            plain["conversion"] = step.conversion
    plain_data: dict[str, Any] = _plain(data)
    return plain_data


def _cohort(group: Group) -> dict[str, Any]:
    plain = asdict(group)
    return {"month": plain.pop("value"), **{key: plain[key] for key in plain if key != "name"}}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Decimal) else value


def funnel_csv(found: Funnel) -> str:
    """Return the funnel's two tables as one CSV, a line for each stage."""
    steps = {step.key: step for step in found.steps}
    head = (
        "stage",
        "kind",
        "reached",
        "went_on",
        "lost_here",
        "still_here",
        "conversion",
        "entered",
        "left",
        "now",
        "past_sla",
        "value",
    )
    lines = [csv_line(head)]
    for flow in found.flows:
        step = steps.get(flow.key)
        cohort = (
            (step.reached, step.went_on, step.dropped, step.here, _figure(step.conversion))
            if step
            else ("",) * 5
        )
        worth = "; ".join(f"{amount} {currency}" for currency, amount in sorted(flow.worth.items()))
        cells = (flow.name, flow.kind, *cohort, flow.entered, flow.left, flow.now, flow.breached, worth)
        lines.append(csv_line([str(cell) for cell in cells]))
    return UTF8_MARK + "".join(lines)


def velocity_csv(found: Velocity) -> str:
    """Return the times as CSV, in days."""
    head = (
        "stage",
        "target",
        "stays",
        "median_days",
        "mean_days",
        "p75_days",
        "p90_days",
        "late",
        "now",
        "past_sla",
        "median_age_days",
        "oldest_age_days",
        "undated",
    )
    lines = [csv_line(head)]
    for stage in found.stages:
        spread = stage.spread
        times = (_figure(value) for value in (spread.median, spread.mean, spread.p75, spread.p90))
        ages = (_figure(value) for value in (stage.median_age, stage.oldest_age))
        cells = (
            stage.name,
            stage.target,
            spread.count,
            *times,
            stage.late,
            stage.now,
            stage.breached,
            *ages,
            stage.undated,
        )
        lines.append(csv_line([str(cell) for cell in cells]))
    return UTF8_MARK + "".join(lines)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


VISIT_COLUMNS = (
    "card",
    "number",
    "stage",
    "kind",
    "entered_at",
    "left_at",
    "entered_by",
    "continues",
    "our_seconds",
    "client_seconds",
)


def list_visits(scope: Scope) -> Iterator[tuple[Any, ...]]:
    """Yield the raw visits of the cards in scope (VISIT_COLUMNS), to compute the figures from again.

    `continues` is the number of the visit that an undo goes on with. Nothing is left out for the period.
    """
    rows = fetch(
        scope,
        " select v.card_id::text, v.number, st.key, st.kind, v.entered_at, v.left_at, v.entered_by_edge, "
        "f.number, v.our_seconds, v.client_seconds from stage_visits v join chosen c on c.id = v.card_id "
        "join stages st on st.id = v.stage_id left join stage_visits f on f.id = v.continues_visit_id "
        "order by v.card_id, v.number",
    )
    yield from (tuple(row) for row in rows)
