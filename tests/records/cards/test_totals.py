"""P5: what is counted as cards change is what a count of the cards says, at any moment, folded or not."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask

from jobs.boards import fold_all_totals
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.cards.models import Card
from lifecycle.records.cards.totals import StageTotalChange, fold_totals, read_totals
from tests.factories.cards import KnownCard, a_card, make_account, moved
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

STAGES = """
first: { sla: 2 hours }
second: { sla: 5 days }
third: {}
"""
# Something a card goes through, as columns of its row.
CHANGES: tuple[Callable[[random.Random], dict[str, object]], ...] = (
    lambda chance: {"value_amount": Decimal(chance.randrange(1, 10**9)) / 100, "value_currency": "EUR"},
    lambda chance: {"value_amount": Decimal(chance.randrange(1, 1000)), "value_currency": "USD"},
    lambda _: {"value_amount": None, "value_currency": None},
    lambda chance: {"sla_due_at": now() + timedelta(hours=chance.randrange(-90, 90))},
    lambda _: {"sla_due_at": None},
    lambda chance: {"is_paused": chance.random() < 0.5},
    lambda chance: {"archived_at": now() if chance.random() < 0.5 else None},
    lambda chance: {"title": f"Renamed {chance.random()}"},
)

Figures = dict[tuple[int, str | None], tuple[int, Decimal, int]]


@pytest.fixture
def member(app: Flask) -> Person:
    publish_lab(app, STAGES)
    return make_user(app)


def _told(at: datetime) -> Figures:
    found = {
        (row.stage_id, row.currency): (row.cards, Decimal(row.total), row.breached) for row in read_totals(at)
    }
    db.session.rollback()
    return found


def _counted(at: datetime) -> Figures:
    late = sa.func.count().filter(Card.sla_due_at < at, Card.is_paused.is_(False))
    rows = db.session.execute(
        sa.select(
            Card.stage_id,
            Card.value_currency,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(Card.value_amount), 0),
            late,
        )
        .where(Card.archived_at.is_(None))
        .group_by(Card.stage_id, Card.value_currency)
    )
    found = {
        (stage, currency): (cards, Decimal(total or 0), breached)
        for stage, currency, cards, total, breached in rows
    }
    db.session.rollback()
    return found


def _change(card: KnownCard, chance: random.Random) -> None:
    with transaction():
        db.session.execute(sa.update(Card).where(Card.id == card.id).values(**chance.choice(CHANGES)(chance)))


@pytest.mark.parametrize("seed", range(4))
def test_p5_totals_are_exact_through_changes_moves_folds_and_clocks_set_back(
    app: Flask, member: Person, seed: int
) -> None:
    chance = random.Random(seed)
    account = make_account(app, owner=member)
    cards = [a_card(app, member, account=account, value=chance.choice(["12.50", None])) for _ in range(12)]
    for card in cards[:5]:
        moved(app, card, "second", member)
    folds = 0
    for _ in range(60):
        with app.app_context():
            _change(chance.choice(cards), chance)
            if chance.random() < 0.2:
                with transaction():
                    pipeline_id = db.session.scalars(sa.select(Card.pipeline_id).limit(1)).one()
                    # Folded by whichever clock: one that runs ahead, one that was set back.
                    fold_totals(pipeline_id, now() + timedelta(hours=chance.randrange(-50, 50)))
                folds += 1
            for hours in (-100, -3, 0, 3, 100):
                at = now() + timedelta(hours=hours)
                assert _told(at) == _counted(at)
    assert folds > 3


def test_p5_folding_leaves_no_changes_and_the_same_totals(app: Flask, member: Person) -> None:
    for _ in range(3):
        a_card(app, member, value="10.00")
    with app.app_context():
        at = now()
        before = _told(at)
        fold_all_totals()
        assert db.session.scalar(sa.select(sa.func.count(StageTotalChange.id))) == 0
        assert _told(at) == before == _counted(at)
        assert sum(cards for cards, _, _ in before.values()) == 3


def test_p5_a_reader_sees_exact_totals_while_cards_change_and_folds_run(app: Flask, member: Person) -> None:
    cards = [a_card(app, member, value="10.00") for _ in range(6)]
    stop, wrong = threading.Event(), list[tuple[Figures, Figures]]()

    def change(number: int) -> None:
        chance = random.Random(number)
        with app.app_context():
            while not stop.is_set():
                _change(chance.choice(cards), chance)

    def fold() -> None:
        with app.app_context():
            while not stop.is_set():
                fold_all_totals()

    threads = [threading.Thread(target=change, args=(number,)) for number in range(3)]
    threads += [threading.Thread(target=fold) for _ in range(2)]
    for thread in threads:
        thread.start()
    with app.app_context():
        for _ in range(80):
            db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            at = now()
            told = {(row.stage_id, row.currency): row.cards for row in read_totals(at)}
            counted = {key: figures[0] for key, figures in _counted(at).items()}
            if told != counted:
                wrong.append((told, counted))  # type: ignore[arg-type]
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not wrong
