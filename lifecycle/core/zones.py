"""Time zones by their names, with the nearest ones for a name that is none."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from functools import cache
from zoneinfo import ZoneInfo, available_timezones


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones()) - {"localtime", "Factory", "posixrules"}


def find_zone(name: str) -> ZoneInfo:
    """Return the zone of a name; raises ValueError with the nearest names for one that is none."""
    if name not in _zone_names():
        remedy = nearest_words(name, _zone_names(), "for example Europe/Madrid")
        raise ValueError(f"'{name[:60]}' is not a time zone{remedy}")
    return ZoneInfo(name)


def nearest_words(word: str, known: Collection[str], otherwise: str = "") -> str:
    """The end of a sentence: the nearest known words, or ``otherwise``."""
    folded = {name.casefold(): name for name in sorted(known)}
    # "Madrid" should find "Europe/Madrid".
    ends = [name for name in sorted(known) if name.casefold().endswith(f"/{word.casefold()}")]
    close = [folded[name] for name in difflib.get_close_matches(word[:60].casefold(), folded, n=3)]
    nearest = list(dict.fromkeys(ends + close))[:3]
    if nearest:
        return f"; did you mean {' or '.join(nearest)}?"
    return f"; {otherwise}" if otherwise else ""
