"""The one sentence with which a page of work begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sentence:
    """What matters most, and its tone: breach, accent or passed."""

    words: str
    tone: str


def things(count: int, one: str, many: str) -> str:
    """Return a count with its noun: `1 thing is`, `1,200 things are`."""
    return f"1 {one}" if count == 1 else f"{count:,} {many}"


def joined(parts: Sequence[str]) -> str:
    """Return parts as one clause: `a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
