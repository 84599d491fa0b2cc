"""The values an expression is given: plain dictionaries with every name of `language/names.py`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from lifecycle.governance.gates.subject import Subject, field_value
from lifecycle.governance.language.model import FieldDef, PlaybookDef
from lifecycle.work.attachments.models import Attachment

_NUMBERS = frozenset({"integer", "number", "money", "percent"})


def expression_context(subject: Subject, attachments: Iterable[Attachment]) -> dict[str, Any]:
    """Return the values of every declared name; an empty field is None."""
    card, account = subject.card, subject.account
    stay = subject.now - subject.began_at
    on_card: dict[str, Any] = {
        "title": card.title,
        "value": card.value_amount,
        "currency": card.value_currency,
        "stage": subject.stage.key,
        "days_in_stage": stay.days,
    }
    on_account: dict[str, Any] = {
        "name": account.name,
        "country": account.country,
        "segment": account.segment,
    }
    for field in subject.playbook.fields.values():
        target = on_card if field.of == "card" else on_account
        target[field.key] = _value(field, subject)
    return {
        "card": on_card,
        "account": on_account,
        "evidence": _evidence(subject.playbook, attachments),
        "now": subject.now,
    }


def _value(field: FieldDef, subject: Subject) -> Any:
    proposed = subject.proposed.get(field.key)
    value = proposed if proposed is not None else field_value(field, subject.card, subject.account)
    if value is None or field.type not in _NUMBERS:
        return value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        # Kept under an older revision, as something else: the expression will say that it is no number.
        return value


def _evidence(playbook: PlaybookDef, attachments: Iterable[Attachment]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {key: {"count": 0, "outcome": None} for key in playbook.evidence}
    for item in sorted(attachments, key=lambda item: item.added_at):
        if item.key in found:
            found[item.key]["count"] += 1
            found[item.key]["outcome"] = item.outcome or found[item.key]["outcome"]
    return found
