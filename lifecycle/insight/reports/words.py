"""The sentence that a report opens with."""

from __future__ import annotations

from collections.abc import Sequence

from lifecycle.insight.reports.funnel import Funnel
from lifecycle.insight.reports.groups import Group
from lifecycle.insight.reports.velocity import NO_FIGURE, Velocity, in_words


def percent(share: float | None) -> str:
    """Return a share as `63.2 %`; a dash for None."""
    return NO_FIGURE if share is None else f"{share * 100:.1f} %"


def funnel_sentence(found: Funnel, before: Funnel | None = None) -> str:
    """Return what matters most in a funnel, in one or two sentences; `before` is the earlier period."""
    if not found.cohort and not found.won + found.lost:
        return "Nothing began or closed in this period."
    said = []
    if found.win_rate is not None:
        closed = (
            f"{percent(found.win_rate)} of what closed was won: {found.won:,} of {found.won + found.lost:,}"
        )
        earlier = before.win_rate if before else None
        said.append(closed + (f" ({percent(earlier)} in the period before)." if earlier is not None else "."))
    losing = max((step for step in found.steps if step.dropped), key=lambda step: step.dropped, default=None)
    if losing:
        said.append(
            f"Most is lost in {losing.name}: {losing.dropped:,} of {losing.reached:,} went no further."
        )
    if not said:
        said.append(f"{found.cohort:,} card{'s' if found.cohort != 1 else ''} began, and none has closed.")
    return " ".join(said)


def velocity_sentence(found: Velocity, before: Velocity | None = None) -> str:
    """Return what matters most in the times, in one to three sentences; `before` is the earlier period."""
    said = []
    if found.value and found.value.median is not None:
        earlier = before.value.median if before and before.value else None
        median = in_words(found.value.median)
        said.append(f"Half of the customers took more than {median} to first value{_before(earlier)}.")
    elif found.won.median is not None:
        earlier = before.won.median if before else None
        said.append(f"Half of what was won took more than {in_words(found.won.median)}{_before(earlier)}.")
    measured = [stage for stage in found.stages if stage.spread.median is not None]
    if measured:
        slowest = max(measured, key=lambda stage: stage.spread.median or 0)
        said.append(
            f"The longest stay is {slowest.name}, half of them over {in_words(slowest.spread.median)}."
        )
    late = sum(stage.breached for stage in found.stages)
    if late:
        said.append(f"{late:,} card{' is' if late == 1 else 's are'} past the SLA now.")
    return " ".join(said) or "No stay ended in this period."


def cohort_sentence(cohorts: Sequence[Group]) -> str:
    """Return what matters most in cohorts by month: the newest that says something, beside the one before."""
    told = [group for group in cohorts if group.median_value_days is not None]
    if len(told) > 1:
        last, before = told[-1], told[-2]
        return (
            f"Half of those who began in {last.month:%B %Y} and reached first value took over "
            f"{in_words(last.median_value_days)}; of {before.month:%B}, {in_words(before.median_value_days)}."
        )
    closed = [group for group in cohorts if group.win_rate is not None]
    if closed:
        # A month of which most is open has decided little: one early loss would read as 0 % won.
        last = next((group for group in reversed(closed) if group.open * 2 <= group.cards), closed[-1])
        return f"{percent(last.win_rate)} of what began in {last.month:%B %Y} and closed was won."
    return "Nothing has closed yet." if cohorts else "Nothing began in this period."


def _before(median: float | None) -> str:
    return "" if median is None else f", {in_words(median)} in the period before"
