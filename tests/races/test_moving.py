"""R1: however many processes try at once, a card advances at most once, and only when its gate was true."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.governance.moves.create import create_card
from lifecycle.records.cards.models import Card, GateReport, StageVisit
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.verify import verify_chains
from tests.factories.cards import make_account, rows
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.installation import environment_of
from tests.programs import run_program
from tests.races.racer import DOORS, Race

CARDS, ACCOUNTS = 200, 10
STAGES = """
first: { leave: [ { field: price } ] }
second: { asks: { district: { required: no } } }
third: {}
"""


def _cards(app: Flask, owner: Person) -> list[tuple[str, int]]:
    """Two hundred cards of ten accounts; every other one lacks what the gate asks for."""
    accounts = [make_account(app, owner=owner) for _ in range(ACCOUNTS)]
    made = []
    with app.app_context(), transaction():
        for number in range(CARDS):
            card = create_card(
                LAB,
                actor=owner.actor,
                channel="page",
                account_id=accounts[number % ACCOUNTS],
                title=f"Card {number}",
                fields={} if number % 2 else {"price": "5.00"},
            )
            made.append((str(card.id), card.visit_id))
    return made


def _run(settings: Settings, race: Race) -> list[dict[str, Any]]:
    environment = {
        **os.environ,
        **environment_of(settings),
    }
    finished = run_program(
        "-m", "tests.races.racer", environment=environment, typed=race.as_json(), timeout=300
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    told: list[dict[str, Any]] = json.loads(finished.stdout)
    return told


@pytest.mark.race
@pytest.mark.slow
def test_r1_eight_processes_race_two_hundred_cards_through_page_bulk_and_import(
    app: Flask, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_lab(app, STAGES)
    owner = make_user(app)
    cards = _cards(app, owner)
    # Of each half some gain and lose what the gate asks for, all the while.
    toggled = {card for number, (card, _) in enumerate(cards) if number % 10 in (0, 1)}
    never = {card for number, (card, _) in enumerate(cards) if number % 2} - toggled
    told = _run(settings, Race(str(owner.id), LAB, "second", cards, sorted(toggled)))

    total: Counter[str] = Counter()
    for each in told:
        if each["door"] != "toggle":
            total.update(each["outcomes"])
    with capsys.disabled():
        by_door = ", ".join(f"{each['door']} {dict(each['outcomes'])}" for each in told)
        sys.stdout.write(f"\n  {len(DOORS)} processes, {CARDS} cards: {dict(total)}\n  {by_door}\n")
    assert set(total) <= {"moved", "blocked", "stale"}, total
    assert total.total() == len(DOORS) * (CARDS + len(toggled))

    visits = defaultdict(list)
    for visit in rows(app, StageVisit):
        visits[str(visit["card_id"])].append(visit)
    advanced = {card for card, chain in visits.items() if len(chain) > 1}
    assert {len(chain) for chain in visits.values()} <= {1, 2}, "a card advanced twice from one visit"
    assert total["moved"] == len(advanced)
    assert not advanced & never, "a gate was passed by"
    assert advanced >= {card for card, _ in cards} - never - toggled
    _check_books(app, visits)
    _check_gates_were_true(app, advanced)


def _check_books(app: Flask, visits: dict[str, list[dict[str, Any]]]) -> None:
    """A card's stage is its open visit's, visits form a chain, every move has its report, dated before it."""
    reports = {report["id"]: report for report in rows(app, GateReport)}
    cards = {str(card["id"]): card for card in rows(app, Card)}
    for card_id, chain in visits.items():
        assert [visit["number"] for visit in chain] == list(range(1, len(chain) + 1))
        assert all(before["left_at"] == after["entered_at"] for before, after in pairwise(chain))
        card, last = cards[card_id], chain[-1]
        assert last["left_at"] is None
        assert (card["visit_id"], card["stage_id"]) == (last["id"], last["stage_id"])
        for before, after in pairwise(chain):
            report = reports[after["gate_report_id"]]
            assert (report["outcome"], report["from_visit_id"]) == ("passed", before["id"])
            assert report["at"] <= after["entered_at"]
    moves = sum(len(chain) - 1 for chain in visits.values())
    assert sum(1 for report in reports.values() if report["outcome"] == "passed") == moves
    with app.app_context():
        verification = verify_chains()
    assert verification.is_sound, verification.faults[:5]
    assert verification.chains >= ACCOUNTS


def _check_gates_were_true(app: Flask, advanced: set[str]) -> None:
    """By the account's chain, which orders all changes of a card: the price was there when it moved."""
    with app.app_context():
        events = db.session.execute(
            sa.select(Event.card_id, Event.kind, Event.body)
            .where(Event.card_id.is_not(None))
            .order_by(Event.chain_id, Event.seq)
        ).all()
    price: dict[str, Any] = {}
    moves = 0
    for card_id, kind, body in events:
        data = body["data"]
        if kind == "card.created":
            price[str(card_id)] = data["fields"].get("price")
        elif kind == "card.fields.changed" and "price" in data["changes"]:
            price[str(card_id)] = data["changes"]["price"]["after"]
        elif kind == "card.stage.entered":
            moves += 1
            assert price[str(card_id)] is not None, f"card {card_id} passed a gate that was not met"
    assert moves == len(advanced)
