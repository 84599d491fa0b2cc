"""L10, L11, E23: every figure equals an independent computation over the exported visits, and its cards."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.db import db, one_moment, transaction
from lifecycle.governance.cards.waiting import start_waiting, stop_waiting
from lifecycle.governance.moves.outcome import Moved
from lifecycle.governance.moves.undo import undo_move
from lifecycle.insight.reports.cards import FIGURES, PAGE, Figure, read_behind
from lifecycle.insight.reports.funnel import Funnel, read_funnel
from lifecycle.insight.reports.groups import Group, Month, read_groups, read_trend
from lifecycle.insight.reports.scope import Scope, read_scope
from lifecycle.insight.reports.tables import VISIT_COLUMNS, list_visits
from lifecycle.insight.reports.velocity import STAYS, TIMES, Spread, Velocity, read_velocity
from lifecycle.records.cards.models import Card
from tests.factories.cards import KnownCard, a_card, change, fill, move, stage_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab

STAGES = "first: { sla: 2 business days }\nsecond: { sla: 3 days }\nthird: {}"
PATH = ["first", "second", "third"]
ZONE = ZoneInfo("Europe/London")
# The clocks of London go forward on 29 March 2026.
START = datetime(2026, 3, 20, 10, tzinfo=UTC)
PERIODS = [
    {},
    {"from": "2026-03-25", "to": "2026-04-02"},
    {"from": "2026-03-29", "to": "2026-03-29"},
    {"to": "2026-03-29"},
    {"from": "2027-01-01"},
]


@pytest.fixture
def history(app: Flask) -> list[KnownCard]:
    """Forty cards with skips, returns, undone moves, losses, reopenings, zero-length and open stays."""
    publish_lab(app, STAGES, first_value="{ stage: third }")
    manager = make_user(app, role="manager")
    dice = random.Random(20260329)
    with time_machine.travel(START, tick=False) as clock:
        cards = []
        for _ in range(40):
            clock.shift(timedelta(hours=dice.choice([0, 1, 7])))
            cards.append(a_card(app, manager))
        for _ in range(90):
            clock.shift(timedelta(minutes=dice.choice([0, 20, 90, 700])))
            card = dice.choice(cards)
            # Twice at the same instant: the stay between lasts no time that anybody could see.
            for _ in range(dice.choice([1, 1, 2])):
                _step(app, dice, card, manager)
    return cards


def _step(app: Flask, dice: random.Random, card: KnownCard, by: Person) -> None:
    here = stage_of(app, card)
    if here == "done":
        return
    if here == "lost":
        assert isinstance(move(app, card, "first", by, answers={"because": "They called"}), Moved)
        return
    if dice.random() < 0.15:
        change(app, card, by, _toggle_waiting)
        return
    to = dice.choice([stage for stage in [*PATH, "done", "lost", "third"] if stage != here])
    moved = move(
        app,
        card,
        to,
        by,
        override=True,
        reason="It belongs there",
        answers={"why": dice.choice(["Price", "Time"])},
    )
    assert isinstance(moved, Moved), moved
    if dice.random() < 0.25:
        with app.app_context(), transaction():
            undo_move(card.id, moved.visit_id, actor=by.actor)


def _toggle_waiting(subject, actor) -> None:
    if subject.card.waiting_on_client:
        stop_waiting(subject, actor)
    else:
        start_waiting(subject, actor, "Their signature")


def _stays(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Join what an undo interrupted, as the definitions beside the figures say; nothing of ours is used."""
    visits = pd.DataFrame(rows, columns=VISIT_COLUMNS)
    undos = visits[visits.continues.notna()]
    mistaken = set(zip(undos.card, undos.number - 1, strict=True))
    kept: list[dict[str, Any]] = []
    for card, own in visits.groupby("card", sort=False):
        stays: dict[int, dict[str, Any]] = {}
        for visit in own.sort_values("number").to_dict("records"):
            if (card, visit["number"]) in mistaken:
                continue
            if pd.notna(visit["continues"]):
                stay = stays[int(visit["continues"])]
                stay["left_at"] = visit["left_at"]
                for part in ("our_seconds", "client_seconds"):
                    stay[part] = stay[part] + visit[part]
            else:
                stays[visit["number"]] = visit
        kept += stays.values()
    frame = pd.DataFrame(kept)
    frame["entered_at"] = pd.to_datetime(frame.entered_at, utc=True)
    frame["left_at"] = pd.to_datetime(frame.left_at, utc=True)
    frame["calendar"] = (frame.left_at - frame.entered_at).dt.total_seconds()
    frame["ours"], frame["client"] = frame.our_seconds.astype(float), frame.client_seconds.astype(float)
    frame["business"] = frame.ours + frame.client
    return frame


def _within(moments: pd.Series, period: dict[str, str]) -> pd.Series:
    start = pd.Timestamp(period.get("from", "1900-01-01"), tz="Europe/London")
    end = pd.Timestamp(period.get("to", "2200-01-01"), tz="Europe/London") + pd.DateOffset(days=1)
    return (moments >= start) & (moments < end)


def _read(app: Flask, period: dict[str, str]) -> tuple[Scope, Funnel, pd.DataFrame]:
    scope = read_scope(LAB, period, ZONE)
    return scope, read_funnel(scope), _stays(list(list_visits(scope)))


def test_every_cell_equals_what_the_visits_say_and_leads_to_its_cards(app: Flask, history) -> None:
    """L10, L11: counts and times by any measure over several periods; the drill-down lists the same."""
    for period in PERIODS:
        _check_period(app, period)
    for period in PERIODS[:2]:
        _check_cards(app, period)


def _check_period(app: Flask, period: dict[str, str]) -> None:
    with app.app_context(), one_moment():
        scope, funnel, stays = _read(app, period)
        _check_funnel(funnel, stays, period)
        assert (stays.calendar < 0.001).any()
        assert stays.left_at.isna().any()
        for time in TIMES:
            for which in ("each", "first", "last", "total"):
                _check_velocity(read_velocity(scope, time, which), stays, period)
        _check_ages(read_velocity(scope), stays, scope)
        _check_cycles(read_velocity(scope), stays, period)
        _check_value(read_velocity(scope), read_groups(scope, "month"), stays, period)
        _check_trend(read_trend(scope), stays, period)
        groups = read_groups(scope, "owner")
        assert sum(group.cards for group in groups) == funnel.cohort
        assert sum(group.cards for group in read_groups(scope, "month")) == funnel.cohort


def _check_funnel(funnel: Funnel, stays: pd.DataFrame, period: dict[str, str]) -> None:
    rank = {stage: place for place, stage in enumerate([*PATH, "done"], 1)}
    began = stays.groupby("card").entered_at.min()
    cohort = set(began[_within(began, period)].index)
    mine = stays[stays.card.isin(cohort)]
    furthest = mine.assign(rank=mine.stage.map(rank).fillna(0)).groupby("card")["rank"].max()
    now = mine.sort_values("number").groupby("card").kind.last()
    assert funnel.cohort == len(cohort)
    for step in funnel.steps:
        place = rank[step.key]
        here = set(furthest[furthest == place].index)
        lost = {card for card in here if now[card] == "lost"}
        expected = ((furthest >= place).sum(), (furthest > place).sum(), len(lost), len(here) - len(lost))
        assert (step.reached, step.went_on, step.dropped, step.here) == expected, step.key
    entered = stays[_within(stays.entered_at, period)]
    left = stays[_within(stays.left_at, period)]
    for flow in funnel.flows:
        assert flow.entered == (entered.stage == flow.key).sum(), flow.key
        assert flow.left == (left.stage == flow.key).sum(), flow.key
        assert flow.now == ((stays.stage == flow.key) & stays.left_at.isna()).sum(), flow.key
    assert (funnel.won, funnel.lost) == ((entered.kind == "won").sum(), (entered.kind == "lost").sum())
    lost_for = entered[entered.kind == "lost"]
    assert sum(reason.count for reason in funnel.reasons if reason.kind == "lost") == len(lost_for)


def _check_velocity(found: Velocity, stays: pd.DataFrame, period: dict[str, str]) -> None:
    for stage in found.stages:
        own = stays[stays.stage == stage.key].sort_values(["card", "number"])
        if found.which == "first":
            own = own.groupby("card").head(1)
        elif found.which == "last":
            own = own.groupby("card").tail(1)
        elif found.which == "total":
            whole = own[~own.card.isin(own[own.left_at.isna()].card)]
            own = whole.groupby("card").agg({found.time: "sum", "left_at": "max"})
        lengths = own[_within(own.left_at, period)][found.time] / 86400
        spread = stage.spread
        assert spread.count == len(lengths), (stage.key, found.which)
        if len(lengths):
            expected = [lengths.median(), lengths.mean(), lengths.quantile(0.75), lengths.quantile(0.9)]
            assert [spread.median, spread.mean, spread.p75, spread.p90] == pytest.approx(expected, abs=1e-9)


def _check_ages(found: Velocity, stays: pd.DataFrame, scope: Scope) -> None:
    for stage in found.stages:
        own = stays[(stays.stage == stage.key) & stays.left_at.isna()]
        ages = (pd.Timestamp(scope.at) - own.entered_at).dt.total_seconds() / 86400
        assert stage.now == len(own)
        if len(own):
            assert [stage.median_age, stage.oldest_age] == pytest.approx([ages.median(), ages.max()])


def _check_cycles(found: Velocity, stays: pd.DataFrame, period: dict[str, str]) -> None:
    ordered = stays.sort_values("number")
    last = ordered.groupby("card").tail(1).set_index("card")
    lengths = (last.entered_at - ordered.groupby("card").entered_at.min()).dt.total_seconds() / 86400
    for kind, spread in (("won", found.won), ("lost", found.lost)):
        chosen = lengths[last[(last.kind == kind) & _within(last.entered_at, period)].index]
        assert spread.count == len(chosen)
        if len(chosen):
            expected = [chosen.median(), chosen.mean(), chosen.quantile(0.75), chosen.quantile(0.9)]
            assert [spread.median, spread.mean, spread.p75, spread.p90] == pytest.approx(expected)


def _check_value(found: Velocity, cohorts: list[Group], stays: pd.DataFrame, period: dict[str, str]) -> None:
    began = stays.groupby("card").entered_at.min()
    reached = stays[stays.stage == "third"].groupby("card").entered_at.min()
    lengths = (reached - began.reindex(reached.index)).dt.total_seconds() / 86400
    chosen = lengths[_within(reached, period)]
    assert found.value is not None
    assert found.value.count == len(chosen)
    if len(chosen):
        expected = [chosen.median(), chosen.mean(), chosen.quantile(0.75), chosen.quantile(0.9)]
        value = found.value
        assert [value.median, value.mean, value.p75, value.p90] == pytest.approx(expected)
    cohort = began[_within(began, period)]
    by_month = cohort.groupby(cohort.dt.tz_convert("Europe/London").dt.strftime("%Y-%m"))
    assert {each.value: each.cards for each in cohorts} == by_month.size().to_dict()
    for each in cohorts:
        mine = lengths.reindex(by_month.get_group(each.value).index).dropna()
        assert each.valued == len(mine)
        assert each.median_value_days == (pytest.approx(mine.median()) if len(mine) else None)


def _check_trend(trend: list[Month], stays: pd.DataFrame, period: dict[str, str]) -> None:
    inside = stays[_within(stays.entered_at, period)]
    assert sum(month.won for month in trend) == (inside.kind == "won").sum()
    assert sum(month.lost for month in trend) == (inside.kind == "lost").sum()
    assert sum(month.entered for month in trend) == (inside.number == 1).sum()


def _check_cards(app: Flask, period: dict[str, str]) -> None:
    with app.app_context(), one_moment():
        scope = read_scope(LAB, period, ZONE)
        funnel, velocity = read_funnel(scope), read_velocity(scope)
        expected = {Figure("cohort"): funnel.cohort, Figure("won"): funnel.won, Figure("lost"): funnel.lost}
        expected |= {Figure("cycles-won"): velocity.won.count, Figure("cycles-lost"): velocity.lost.count}
        expected |= {Figure("beside"): funnel.elsewhere}
        assert velocity.value
        expected |= {Figure("valued"): velocity.value.count}
        for step in funnel.steps:
            counts = zip(
                ("reached", "went-on", "dropped", "here"),
                (step.reached, step.went_on, step.dropped, step.here),
                strict=True,
            )
            expected |= {Figure(name, step.key): count for name, count in counts}
        for flow in funnel.flows:
            expected |= {Figure("entered", flow.key): flow.entered, Figure("left", flow.key): flow.left}
            expected |= {Figure("now", flow.key): flow.now}
        for place in velocity.stages:
            expected |= {Figure("breached", place.key): place.breached}
            expected |= {Figure("undated", place.key): place.undated}
        for time in TIMES:
            for which in STAYS:
                for place in read_velocity(scope, time, which).stages:
                    expected |= {Figure("stayed", place.key, time, which): place.spread.count}
                    expected |= {Figure("late", place.key, time, which): place.late}
        groups = read_groups(scope, "owner")
        for name in ("cards", "open", "won", "lost", "valued"):
            figure = Figure("cohort" if name == "cards" else f"cohort-{name}")
            expected |= {figure: sum(getattr(group, name) for group in groups)}
        for reason in funnel.reasons:
            expected |= {Figure("closed-for", reason.stage_key, reason=reason.said): reason.count}
        assert {figure.name for figure in expected} == set(FIGURES)
        assert sum(expected.values()) > 40
        for figure, count in expected.items():
            behind = read_behind(scope, figure)
            assert (behind.count, len(behind.rows)) == (count, min(count, PAGE)), figure


def test_first_value_by_a_day_counts_whole_days_and_none_that_is_to_come(app: Flask) -> None:
    """L11: of a card that began late in the evening; a day before the entry is none, tomorrow is not yet."""
    publish_lab(app, STAGES, first_value="{ field: ready_on }")
    manager = make_user(app, role="manager")
    with time_machine.travel(datetime(2026, 5, 1, 22, 30, tzinfo=UTC), tick=False) as clock:
        cards = [a_card(app, manager) for _ in range(5)]
        clock.shift(timedelta(days=10))
        days = ("2026-05-04", "2026-04-01", "2026-05-13", "")
        for card, day in zip(cards, days, strict=False):
            fill(app, card, manager, ready_on=day)
        # An older revision may have kept a text there.
        for text in ("2026-02-31", "2026-13-01", "0000-01-01", "2026-05-4"):
            made = a_card(app, manager)
            with app.app_context(), transaction():
                db.session.execute(
                    sa.update(Card).where(Card.id == made.id).values(fields={"ready_on": text})
                )
        with app.app_context(), one_moment():
            scope = read_scope(LAB, {"from": "2026-04-01"}, ZONE)
            value = read_velocity(scope).value
            behind = read_behind(scope, Figure("valued"))
    assert value is not None
    # In London it was the 1st still, and it is the 11th.
    assert (value.count, value.median) == (2, 1.5)
    assert value.p90 == pytest.approx(2.7)
    assert [row.days for row in behind.rows] == [3, 0]
    with app.app_context(), one_moment():
        before = scope.earlier()
        assert before
        assert (before.first, before.last) == (date(2026, 2, 19), date(2026, 3, 31))
        assert read_velocity(before).value == Spread(0, None, None, None, None)
