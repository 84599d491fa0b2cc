"""E26: of all who race for the last places of a stage, as many come in as there are places."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from lifecycle.governance.cards.limits import StageFull
from lifecycle.governance.moves.outcome import Blocked, Moved
from lifecycle.records.cards.models import Card
from lifecycle.records.playbooks.models import Stage
from tests.factories.cards import KnownCard, a_card, make_account, move, rows
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab

RACERS, PLACES, ROUNDS = 6, 3, 2


@pytest.mark.race
def test_e26_movers_and_makers_race_for_the_last_places_of_a_stage(app: Flask) -> None:
    publish_lab(
        app,
        f"first: {{}}\nsecond: {{ limit: {{ cards: {PLACES}, hard: yes }}, new_cards: yes }}\nthird: {{}}",
    )
    owner = make_user(app)
    account = make_account(app, owner=owner)
    second = next(stage["id"] for stage in rows(app, Stage) if stage["key"] == "second")
    barrier = threading.Barrier(RACERS)

    def race(number: int) -> str:
        """Every other one makes a card there; the others move one of the same account."""
        card = a_card(app, owner, account=account)
        barrier.wait(60)
        if number % 2:
            try:
                a_card(app, owner, account=account, stage="second")
            except StageFull:
                return "full"
            return "in"
        outcome = move(app, card, "second", owner, seen=card.visit)
        assert isinstance(outcome, Moved | Blocked)
        return "in" if isinstance(outcome, Moved) else "full"

    with ThreadPoolExecutor(RACERS) as racers:
        for _ in range(ROUNDS):
            told = Counter(racers.map(race, range(RACERS)))
            assert told == {"in": PLACES, "full": RACERS - PLACES}
            standing = [card for card in rows(app, Card) if card["stage_id"] == second]
            assert len(standing) == PLACES
            for row in standing:
                card = KnownCard(row["id"], row["visit_id"], account, row["title"])
                assert isinstance(move(app, card, "third", owner), Moved)
