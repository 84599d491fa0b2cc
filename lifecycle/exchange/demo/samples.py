"""Values for fields and questions, by their keys where a playbook's words are known, else by their type."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from lifecycle.governance.language.model import FieldDef, Question
from lifecycle.governance.language.reading import read_text

_TEXTS = {
    "email": "ana.ruiz@client.example",
    "phone": "+34 910 000 123",
    "url": "https://client.example/project",
    "yes_no": "yes",
}


@cache
def known_words(playbook: str) -> Mapping[str, list[Any]]:
    """Return what a playbook's fields and notes read like, by key; nothing for one we have no words for."""
    source = files("lifecycle") / "exchange" / "demo" / "samples" / f"{playbook}.yaml"
    if not source.is_file():
        return {}
    found = read_text(source.name, source.read_text(encoding="utf-8"))
    assert not found.errors, found.errors
    return {key: value if isinstance(value, list) else [value] for key, value in found.data.items()}


def sample(
    playbook: str, item: FieldDef | Question, at: datetime, chance: random.Random, bounds: Any = None
) -> Any:
    """Return a value as somebody would type it.

    Args:
        at: when it is typed: dates lie a few weeks after it.
        bounds: a field check's parameters, which may ask for more than the field itself.
    """
    known = known_words(playbook).get(item.key)
    wanted = getattr(bounds, "one_of", None) or ()
    if known is not None:
        return _dated(item, chance.choice(known), at)
    if item.options:
        keys = [option.key for option in item.options if not wanted or option.key in wanted]
        return chance.choice(keys) if item.type == "choice" else keys[: max(1, len(keys) // 2)]
    if item.type in ("address", "table", "file"):
        return _parts(playbook, item, at, chance)
    if item.type == "date":
        return (at + timedelta(days=chance.randrange(10, 40))).date().isoformat()
    if item.type in ("integer", "number", "money", "percent"):
        return _number(item, bounds, chance)
    return _TEXTS.get(item.type, item.name)


def _dated(item: FieldDef | Question, value: Any, at: datetime) -> Any:
    """Return a known value with the days it is written in as dates; a table has them in its rows."""
    if item.type == "table":
        columns = {column.key: column for column in item.columns}
        return [{key: _dated(columns[key], cell, at) for key, cell in row.items()} for row in value]
    return (at + timedelta(days=value)).date().isoformat() if item.type == "date" else value


def _parts(playbook: str, item: FieldDef | Question, at: datetime, chance: random.Random) -> Any:
    if item.type == "address":
        return {"street": "Calle Mayor 14", "postcode": "28013", "town": "Madrid", "country": "Spain"}
    if item.type == "file":
        return None
    rows = range(min(2, item.most_rows))
    return [{each.key: sample(playbook, each, at, chance) for each in item.columns} for _ in rows]


def _number(item: FieldDef | Question, bounds: Any, chance: random.Random) -> str:
    low = max(
        (_decimal(x) for x in (getattr(item, "minimum", None), getattr(bounds, "at_least", None))),
        default=Decimal(0),
    )
    tops = [x for x in (getattr(item, "maximum", None), getattr(bounds, "at_most", None)) if x is not None]
    top = min(map(_decimal, tops), default=low + 100)
    value = low + (top - low) * chance.randrange(20, 60) / 100
    return str(round(value))


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value)) if value is not None else Decimal(0)


def note_for(playbook: str, key: str, name: str, chance: random.Random) -> str:
    """Return what a proof, a meeting's notes or an answer of that key reads like."""
    known = known_words(playbook).get(key)
    return str(chance.choice(known)) if known else f"{name}: done as agreed, nothing open."
