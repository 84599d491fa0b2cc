"""What was tried and what the trier was told: the movers' own record, held against the database later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Told = Literal["moved", "undone", "blocked", "stale", "refused", "unknown", "odd"]


@dataclass(frozen=True)
class Attempt:
    """One try to move a card from the visit that was seen; `visit` is the new one, if the answer names it.

    `is_illegal` tries what no gate may let through. An import names no visit (0): it looks for itself.
    """

    channel: str
    card: str
    seen: int
    to: str
    told: Told
    visit: int | None = None
    is_illegal: bool = False
    says: str = ""


class Journal:
    """A file that one process appends attempts to, a line each."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def note(self, attempt: Attempt) -> Attempt:
        self._file.write(json.dumps(asdict(attempt)) + "\n")
        return attempt


def read_journals(folder: Path) -> Iterator[Attempt]:
    """Yield every attempt of every journal."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            yield Attempt(**json.loads(line))
