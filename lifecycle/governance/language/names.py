"""The names that a playbook's expressions may use, and of what kind each is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lifecycle.core.expressions import Declared
from lifecycle.governance.language.model import (
    ADDRESS_PARTS,
    EvidenceDef,
    FieldDef,
    Question,
    SimpleType,
)

CARD_NAMES: Final[dict[str, Declared]] = {
    "title": "text",
    "value": "number",
    "currency": "text",
    "stage": "text",
    "days_in_stage": "number",
}
ACCOUNT_NAMES: Final[dict[str, Declared]] = {"name": "text", "country": "text", "segment": "text"}
EVIDENCE_NAMES: Final[dict[str, Declared]] = {"count": "number", "outcome": "text"}

MOMENTS: Final[dict[str, Declared]] = {"now": "timestamp", "today": "date"}
"""`today` is the day in the zone of the playbook's first calendar."""
REQUEST_NAMES: Final[dict[str, Declared]] = {"status": "text"}
EVENT_NAMES: Final[dict[str, Declared]] = {
    "kind": "text",
    "key": "text",
    "from": "text",
    "to": "text",
    "edge": "text",
    "channel": "text",
    "outcome": "text",
}
"""What a rule's condition may ask of the event that set it off; what an event does not have is empty."""

KIND_OF_FIELD: Final[dict[SimpleType, Declared]] = {
    "text": "text",
    "long_text": "text",
    "integer": "number",
    "number": "number",
    "money": "number",
    "percent": "number",
    "date": "date",
    "choice": "text",
    "choices": ["text"],
    "yes_no": "boolean",
    "email": "text",
    "phone": "text",
    "url": "text",
}


def kind_of(definition: FieldDef | Question) -> Declared:
    """Return of what kind a field's value or a question's answer is for expressions."""
    if definition.type == "address":
        return dict.fromkeys(ADDRESS_PARTS, "text")
    if definition.type == "file":
        return [{"name": "text"}]
    if definition.type == "table":
        return [{column.key: kind_of(column) for column in definition.columns}]
    return KIND_OF_FIELD[definition.type]


def declared_names(
    fields: Iterable[FieldDef], evidence: Iterable[EvidenceDef], requests: Iterable[str] = ()
) -> Mapping[str, Declared]:
    """Return what expressions may say: card, account, evidence and requests by key, and now.

    `evidence.<key>.outcome` is the outcome of the latest one, empty when there is none. `card.days_in_stage`
    counts whole days by the calendar on the wall.
    """
    card, account = dict(CARD_NAMES), dict(ACCOUNT_NAMES)
    for each in fields:
        (card if each.of == "card" else account)[each.key] = kind_of(each)
    proofs: dict[str, Declared] = {each.key: dict(EVIDENCE_NAMES) for each in evidence}
    asked: dict[str, Declared] = {key: dict(REQUEST_NAMES) for key in requests}
    return {"card": card, "account": account, "evidence": proofs, "requests": asked, **MOMENTS}
