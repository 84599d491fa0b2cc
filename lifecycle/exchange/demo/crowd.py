"""Who comes with a load: cards and accounts that follow from their numbers, so that a load can go on."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from lifecycle.core.errors import Invalid
from lifecycle.exchange.demo.companies import companies
from lifecycle.exchange.demo.places import providers
from lifecycle.exchange.demo.samples import sample
from lifecycle.governance.fields.values import read_value
from lifecycle.governance.language.model import CheckDef, FieldDef, StageDef
from lifecycle.governance.moves.backfill import Board, PastCard, PastVisit, needs_client_to_enter

# After so many open cards comes a closed one.
CLOSED_EVERY = 5
_SEED = "crowd"
_VALUES = 40
_YEAR_OF_HOURS = 365 * 24
_TRADES = (
    *("Fibra", "Networks", "Telecom", "Broadband", "Wireless", "Connect", "Online", "Link", "Cable", "Air"),
    *(
        "Digital",
        "Software",
        "Analytics",
        "Logistics",
        "Clinics",
        "Retail",
        "Energy",
        "Foods",
        "Labs",
        "Group",
    ),
)
_PLACES = (
    *("", " North", " South", " East", " West", " Coast", " Valley", " Hills", " Bay", " River", " Lakes"),
    *(" Central", " Islands", " Plains", " Harbour", " Forest", " Border", " Summit", " Delta", " Uplands"),
)


def account_name(turn: int) -> str:
    """Return the name of an account of the load; no two turns have the same."""
    firsts = _first_words()
    rest, first = divmod(turn, len(firsts))
    rest, trade = divmod(rest, len(_TRADES))
    rest, place = divmod(rest, len(_PLACES))
    return f"{firsts[first]} {_TRADES[trade]}{_PLACES[place]}{f' {rest + 1}' if rest else ''}"


@cache
def _first_words() -> Sequence[str]:
    return sorted({provider.name.split()[0] for provider in providers()})


class Crowd:
    """The cards of a load, each as a past that its number decides."""

    def __init__(self, board: Board, owners: Sequence[uuid.UUID], at: datetime) -> None:
        self._board = board
        self._owners = owners
        # Whole hours: many stays then are the same span, whose business time is counted once.
        self._at = at.replace(minute=0, second=0, microsecond=0)
        self._open = [stage for stage in board.definition.open_stages if not needs_client_to_enter(stage)]
        if not self._open:
            raise Invalid("No stage of this board can be entered without the client, so nothing was loaded.")
        self._closed = [
            stage
            for stage in board.definition.stages
            if not stage.is_open and not needs_client_to_enter(stage)
        ] or self._open
        self._values: dict[str, Sequence[Any]] = {}
        self._work = companies(board.playbook.key)

    def owner_of_account(self, turn: int) -> uuid.UUID:
        """Return who owns an account of the load."""
        return self._owners[turn % len(self._owners)]

    def card(self, number: int, external_id: str, account_id: uuid.UUID) -> PastCard:
        """Return a card; of six in a row the sixth is closed."""
        chance = random.Random(f"{_SEED}/{number}")  # noqa: S311 - a story, not a secret
        work = self._work[number % len(self._work)]
        stands = chance.choice(self._closed if number % (CLOSED_EVERY + 1) == CLOSED_EVERY else self._open)
        passed = self._passed(stands, chance)
        amount = work.value(chance) if chance.randrange(10) else None
        return PastCard(
            account_id=account_id,
            title=work.title,
            owner_id=chance.choice(self._owners),
            external_id=external_id,
            visits=self._visits([*passed, stands], chance),
            value_amount=amount,
            value_currency="EUR" if amount is not None else None,
            fields=self._fields(passed, chance),
        )

    def _passed(self, stands: StageDef, chance: random.Random) -> list[StageDef]:
        """Return the stages it went through: all before it; of a lost one, some."""
        path = [stage for stage in self._board.definition.path if stage.is_open]
        if stands.kind == "lost":
            return path[: chance.randrange(1, len(path) + 1)]
        return [stage for stage in path if stage.position < stands.position]

    def _visits(self, stages: Sequence[StageDef], chance: random.Random) -> tuple[PastVisit, ...]:
        last = stages[-1]
        # Open cards came lately, some of them too long ago; closed ones all through the year.
        hours = chance.randrange(_YEAR_OF_HOURS) if not last.is_open else int(chance.expovariate(1 / 40))
        entered = self._at - timedelta(hours=hours)
        visits = [PastVisit(last.key, entered)]
        for stage in reversed(stages[:-1]):
            entered -= timedelta(hours=chance.randrange(2, 200))
            visits.append(PastVisit(stage.key, entered))
        return tuple(reversed(visits))

    def _fields(self, passed: Sequence[StageDef], chance: random.Random) -> dict[str, Any]:
        """Return what the gates of the stages behind it asked for."""
        found = {}
        for check in (check for stage in passed for check in stage.leave if check.type == "field"):
            item = self._board.playbook.fields[check.params.name]
            if item.of == "card":
                found[item.key] = chance.choice(self._choices(check, item))
        return found

    def _choices(self, check: CheckDef, item: FieldDef) -> Sequence[Any]:
        """Return values that this check accepts; read once, since reading is most of a card's work."""
        if check.key not in self._values:
            chance = random.Random(f"{_SEED}/{check.key}")  # noqa: S311 - a story, not a secret
            typed = [
                sample(self._board.playbook.key, item, self._at, chance, check.params) for _ in range(_VALUES)
            ]
            self._values[check.key] = [read_value(item, each) for each in typed]
        return self._values[check.key]
