"""What clients are asked, and what they did and were told: their own record, as `attempts` is the movers'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

# `forge`: signing with a code that is not theirs.
What = Literal["save", "submit", "sign", "forge"]
Told = Literal["done", "refused", "unknown", "odd"]


@dataclass(frozen=True)
class Deal:
    """A client with a survey to fill and an order to sign: their requests' ids, and their links' paths."""

    address: str
    survey_id: str
    survey: str
    order_id: str
    order: str


@dataclass(frozen=True)
class Act:
    """One try of a client; of a save, the question and what was typed."""

    request: str
    what: What
    told: Told
    key: str = ""
    value: str = ""
    says: str = ""


class ClientJournal:
    """A file that one process appends acts to, a line each."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def note(self, act: Act) -> Act:
        self._file.write(json.dumps(asdict(act)) + "\n")
        return act


def read_acts(folder: Path) -> Iterator[Act]:
    """Yield every act of every client, those on one request in their order."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            yield Act(**json.loads(line))
