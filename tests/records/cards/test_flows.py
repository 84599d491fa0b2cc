"""L10: what entered, was won and was lost is what the visits say, at any moment, folded or not."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from jobs.boards import fold_all_totals
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.moves.backfill import PastCard, PastVisit, backfill_visits, get_board
from lifecycle.governance.moves.undo import undo_move
from lifecycle.records.cards.flows import FlowChange, read_flows
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.playbooks.models import Stage
from tests.factories.cards import KnownCard, a_card, make_account, move, moved, stage_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab

# A Monday begins in them at 18:15, 18:30 and 22:00 of Sunday, and at 00:00, in UTC.
ZONES = ("Asia/Kathmandu", "Asia/Kolkata", "Europe/Berlin", "UTC")
BEGINS = datetime(2026, 3, 2, 10, tzinfo=UTC)

Figures = dict[tuple[str, int], tuple[int, int, int]]


@pytest.fixture
def manager(app: Flask) -> Person:
    publish_lab(app, "first: {}\nsecond: {}\nthird: {}")
    return make_user(app, role="manager")


def _bounds(zone: str) -> list[datetime]:
    first = datetime.combine(BEGINS.date() - timedelta(days=28), time(), ZoneInfo(zone))
    return [first + timedelta(weeks=n) for n in range(12)]


def _told() -> Figures:
    found = {
        (zone, row.span): (row.entered, row.won, row.lost)
        for zone in ZONES
        for row in read_flows(_bounds(zone))
        if row.entered or row.won or row.lost
    }
    db.session.rollback()
    return found


def _counted() -> Figures:
    """Count them one by one, without SQL's help."""
    visits = db.session.execute(
        sa.select(StageVisit, Stage.kind)
        .join(Stage, Stage.id == StageVisit.stage_id)
        .join(Card, Card.id == StageVisit.card_id)
        .where(Card.withdrawn_at.is_(None))
    ).all()
    mistaken = {(v.card_id, v.number - 1) for v, _ in visits if v.continues_visit_id is not None}
    counts: Counter[tuple[str, int, str]] = Counter()
    for visit, kind in visits:
        if (
            visit.continues_visit_id is not None
            or (visit.card_id, visit.number) in mistaken
            or visit.entered_by_edge == "imported_undated"
        ):
            continue
        for zone in ZONES:
            span = sum(bound <= visit.entered_at for bound in _bounds(zone)) - 1
            counts[zone, span, "entered"] += visit.number == 1
            counts[zone, span, kind] += kind != "open"
    db.session.rollback()
    spans = {(zone, span) for zone, span, _ in +counts if 0 <= span < 11}
    return {
        (zone, span): (counts[zone, span, "entered"], counts[zone, span, "won"], counts[zone, span, "lost"])
        for zone, span in spans
    }


def _import(account: object, owner: Person, name: str, *stages: str, is_undated: bool = False) -> None:
    days = range(len(stages), 0, -1)
    past = PastCard(
        account_id=account,  # type: ignore[arg-type]
        title=name,
        owner_id=owner.id,
        external_id=name,
        visits=tuple(PastVisit(s, now() - timedelta(days=5 * d)) for s, d in zip(stages, days, strict=True)),
        is_undated=is_undated,
    )
    with transaction():
        backfill_visits(get_board(LAB), [past], actor=SYSTEM, import_id=1, at=now())


def _withdraw(chance: random.Random, cards: list[KnownCard]) -> None:
    """Withdraw some and take the others back, in one statement."""
    some = [card.id for card in cards if chance.random() < 0.2]
    at = sa.case((Card.id.in_(some), now()))
    with transaction():
        db.session.execute(sa.update(Card).values(withdrawn_at=at, archived_at=at))


def _deed(app: Flask, chance: random.Random, cards: list[KnownCard], by: Person) -> None:
    card = chance.choice(cards)
    where = stage_of(app, card)
    if where == "lost":
        move(app, card, "first", by, answers={"because": "They called"})
    elif where != "done":
        to = chance.choice([key for key in ("second", "third", "lost", "done") if key != where])
        outcome = move(
            app,
            card,
            to,
            by,
            override=True,
            reason="It is so",
            answers={"why": "Price"} if to == "lost" else {},
        )
        if chance.random() < 0.4 and getattr(outcome, "visit_id", None):
            with app.app_context(), transaction():
                undo_move(card.id, outcome.visit_id, actor=by.actor)  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(3))
def test_l10_flows_are_exact_through_moves_undos_imports_withdrawals_and_folds(
    app: Flask, manager: Person, seed: int
) -> None:
    chance = random.Random(seed)
    account = make_account(app, owner=manager)
    with time_machine.travel(BEGINS, tick=False) as clock:
        cards = [a_card(app, manager, account=account) for _ in range(4)]
        for step in range(30):
            clock.shift(timedelta(minutes=chance.choice([1, 14, 300, 1400])))
            if step % 6 == 5:
                with app.app_context():
                    _withdraw(chance, cards)
                    assert _told() == _counted(), f"withdrawn at {step}"
                    with transaction():
                        db.session.execute(sa.update(Card).values(withdrawn_at=None, archived_at=None))
            elif step % 6 == 3:
                cards.append(a_card(app, manager, account=account))
                with app.app_context():
                    _import(
                        account, manager, f"Past {step}", "first", "second", chance.choice(["done", "lost"])
                    )
                    _import(account, manager, f"Undated {step}", "done", is_undated=True)
            else:
                _deed(app, chance, cards, manager)
            with app.app_context():
                if chance.random() < 0.3:
                    fold_all_totals()
                assert _told() == _counted(), f"step {step}"
    with app.app_context():
        assert sum(won + lost for _, won, lost in _told().values()) > 0


def test_l10_folding_leaves_no_changes_and_the_same_flows(app: Flask, manager: Person) -> None:
    with time_machine.travel(BEGINS, tick=False):
        card = a_card(app, manager)
        a_card(app, manager)
        moved(app, card, "lost", manager, answers={"why": "Price"})
        with app.app_context():
            before = _told()
            fold_all_totals()
            assert db.session.scalar(sa.select(sa.func.count(FlowChange.id))) == 0
            assert _told() == before == _counted()
            assert before["UTC", 4] == (2, 0, 1)


def test_l10_a_stage_of_another_kind_counts_as_that_from_its_beginning(app: Flask, manager: Person) -> None:
    """Cards went through the third stage before it became one that is won."""
    with time_machine.travel(BEGINS, tick=False) as clock:
        for _ in range(2):
            card = a_card(app, manager)
            moved(app, card, "third", manager)
            clock.shift(timedelta(hours=3))
            moved(app, card, "lost", manager, answers={"why": "Price"})
        publish_lab(app, "first: {}\nsecond: {}\nthird: { kind: won }")
        with app.app_context():
            assert _told() == _counted()
            assert _told()["UTC", 4] == (2, 2, 2)
        publish_lab(app, "first: {}\nsecond: {}\nthird: {}")
        with app.app_context():
            assert _told() == _counted()
            assert _told()["UTC", 4] == (2, 0, 2)


def test_l10_a_week_begins_at_the_reader_s_midnight_to_the_quarter(app: Flask, manager: Person) -> None:
    """Monday begins in Kathmandu at 18:15 of Sunday, and in Kolkata a quarter of an hour later."""
    with time_machine.travel(datetime(2026, 3, 8, 18, 14, 59, tzinfo=UTC), tick=False) as clock:
        for minutes in (1, 15, 1):
            a_card(app, manager)
            clock.shift(timedelta(minutes=minutes))
    with app.app_context():
        assert _told() == _counted()
        entered = {place: figures[0] for place, figures in _told().items()}
    assert (entered["Asia/Kathmandu", 4], entered["Asia/Kathmandu", 5]) == (1, 2)
    assert (entered["Asia/Kolkata", 4], entered["Asia/Kolkata", 5]) == (2, 1)
    assert entered["UTC", 4] == 3
