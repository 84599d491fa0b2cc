"""Cards that go back and forth between two stages as fast as processes can move them.

`python -m tests.races.flow` reads a `Flow` as JSON and prints how many moves were made in its time.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.app import create_app
from lifecycle.core.db import db, transaction
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Moved
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User

MOVERS = 3


@dataclass(frozen=True)
class Flow:
    """`cards` as (id, visit), all of them in the first of `stages`; each mover has cards of its own."""

    user: str
    stages: tuple[str, str]
    cards: list[tuple[str, int]]
    seconds: float

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    flow = Flow(**json.load(sys.stdin))
    context = multiprocessing.get_context("fork")
    told: Any = context.SimpleQueue()
    movers = [context.Process(target=_move, args=(flow, number, told)) for number in range(MOVERS)]
    for mover in movers:
        mover.start()
    moves = sum(told.get() for _ in movers)
    for mover in movers:
        mover.join()
    sys.stdout.write(str(moves))


def _move(flow: Flow, number: int, told: Any) -> None:
    app = create_app()
    cards = {uuid.UUID(card): (visit, 0) for card, visit in flow.cards[number::MOVERS]}
    moves = 0
    with app.app_context():
        actor = Actor.of(db.session.get_one(User, uuid.UUID(flow.user)))
        db.session.rollback()
    until = time.monotonic() + flow.seconds
    while time.monotonic() < until:
        for card, (visit, stands) in list(cards.items()):
            with app.app_context(), transaction():
                outcome = move_card(
                    card, flow.stages[1 - stands], actor=actor, channel="api", seen_visit=visit
                )
            assert isinstance(outcome, Moved), outcome
            cards[card] = (outcome.visit_id, 1 - stands)
            moves += 1
    told.put(moves)


if __name__ == "__main__":
    main()
