"""Several processes that move the same cards through every door at once, while another changes the facts.

`python -m tests.races.racer` reads a `Race` as JSON, forks, and prints what each process was told.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from html import unescape
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from lifecycle.app import create_app
from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import set_fields
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Moved
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
DOORS = ("page", "page", "page", "bulk", "bulk", "bulk", "import", "import")


@dataclass(frozen=True)
class Race:
    """`cards` as (id, visit seen); those in `toggled` lose and regain what their gate asks for meanwhile."""

    user: str
    slug: str
    to_stage: str
    cards: list[tuple[str, int]]
    toggled: list[str]
    rounds: int = 2

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    race = Race(**json.load(sys.stdin))
    app = create_app()
    context = multiprocessing.get_context("fork")
    barrier, running = context.Barrier(len(DOORS) + 1), context.Value("i", len(DOORS))
    told: Any = context.SimpleQueue()
    work: list[Callable[[], None]] = [
        lambda number=number, door=door: _race(app, race, door, number, barrier, running, told)  # type: ignore[misc]
        for number, door in enumerate(DOORS)
    ]
    work.append(lambda: _toggle(app, race, barrier, running, told))
    processes = [context.Process(target=each) for each in work]
    for process in processes:
        process.start()
    outcomes = [told.get() for _ in processes]
    for process in processes:
        process.join()
    sys.stdout.write(json.dumps(outcomes))


def _race(
    app: Flask, race: Race, door: str, number: int, barrier: Any, running: Synchronized[int], told: Any
) -> None:
    outcomes: Counter[str] = Counter()
    try:
        mover = _DOORS[door](app, race, number)
        barrier.wait(120)
        shuffle = random.Random(number)
        for turn in range(race.rounds):
            wanted = race.cards if turn == 0 else [card for card in race.cards if card[0] in race.toggled]
            mixed = list(wanted)
            shuffle.shuffle(mixed)
            outcomes.update(mover.move(mixed))
    except Exception as error:  # noqa: BLE001 - told to the test, which fails by it
        outcomes[f"error {type(error).__name__}: {error}"[:300]] += 1
    finally:
        with running.get_lock():
            running.value -= 1
        told.put({"door": door, "outcomes": outcomes})


def _toggle(app: Flask, race: Race, barrier: Any, running: Synchronized[int], told: Any) -> None:
    outcomes: Counter[str] = Counter()
    try:
        with app.app_context():
            actor = Actor.of(db.session.get_one(User, uuid.UUID(race.user)))
            db.session.rollback()
        barrier.wait(120)
        price = None
        while running.value and race.toggled:
            price = None if price else "5.00"
            for card in race.toggled:
                outcomes[_set_price(app, uuid.UUID(card), actor, price)] += 1
    except Exception as error:  # noqa: BLE001 - told to the test, which fails by it
        outcomes[f"error {type(error).__name__}: {error}"[:300]] += 1
    finally:
        told.put({"door": "toggle", "outcomes": outcomes})


def _set_price(app: Flask, card: uuid.UUID, actor: Actor, price: str | None) -> str:
    with app.app_context(), transaction(), changing_card(card, actor) as subject:
        return "changed" if set_fields(subject, {"price": price}, actor) else "same"


class _Browser:
    """Somebody who is logged in, and posts with one token."""

    def __init__(self, app: Flask, race: Race, number: int) -> None:
        self.race, self.number = race, number
        self.client: FlaskClient = app.test_client()
        with app.app_context():
            user = db.session.get_one(User, uuid.UUID(race.user))
            with self.client.session_transaction() as session:
                session["_user_id"], session["_fresh"] = user.get_id(), True
            db.session.rollback()
        found = _TOKEN.search(self.client.get(f"/boards/{race.slug}/cards/new").text)
        assert found, "no token"
        self.token = unescape(found[1])

    def post(self, path: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        answers = {"csrf_token": self.token, "answer-district": f"District {self.number}"}
        response = self.client.post(path, data={**answers, **fields}, headers={"Accept": "application/json"})
        return response.status_code, response.get_json()


class _Page(_Browser):
    def move(self, cards: Iterable[tuple[str, int]]) -> Iterable[str]:
        for card, visit in cards:
            status, answer = self.post(f"/cards/{card}/moves", to_stage=self.race.to_stage, seen_visit=visit)
            expected = {200: "moved", 422: "blocked", 409: "stale"}.get(status, "odd")
            yield expected if expected == answer.get("outcome") else f"odd {status} {answer}"


class _Bulk(_Browser):
    def move(self, cards: Iterable[tuple[str, int]]) -> Iterable[str]:
        several = list(cards)
        for start in range(0, len(several), 25):
            chosen = [f"{card}:{visit}" for card, visit in several[start : start + 25]]
            status, answer = self.post(
                f"/boards/{self.race.slug}/moves", to_stage=self.race.to_stage, card=chosen
            )
            if status != 200:
                yield f"odd {status} {answer}"
            else:
                yield from (each["outcome"] for each in answer["cards"])


class _Import:
    """What an import does: the one function, without a door."""

    def __init__(self, app: Flask, race: Race, number: int) -> None:
        self.app, self.race, self.number = app, race, number
        with app.app_context():
            self.actor = Actor.of(db.session.get_one(User, uuid.UUID(race.user)))
            db.session.rollback()

    def move(self, cards: Iterable[tuple[str, int]]) -> Iterable[str]:
        for card, visit in cards:
            with self.app.app_context(), transaction():
                outcome = move_card(
                    uuid.UUID(card),
                    self.race.to_stage,
                    actor=self.actor,
                    channel="import",
                    seen_visit=visit,
                    answers={"district": f"District {self.number}"},
                )
            yield (
                "moved"
                if isinstance(outcome, Moved)
                else "blocked"
                if isinstance(outcome, Blocked)
                else "stale"
            )


_DOORS: dict[str, Any] = {"page": _Page, "bulk": _Bulk, "import": _Import}

if __name__ == "__main__":
    main()
