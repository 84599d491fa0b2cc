"""The values an expression is given: plain dictionaries with every name of `language/names.py`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from lifecycle.governance.fields.values import for_expressions
from lifecycle.governance.gates.subject import Subject, field_value
from lifecycle.governance.language.model import FieldDef, PlaybookDef
from lifecycle.work.attachments.models import Attachment
from lifecycle.work.attachments.queries import attachments_by_card
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.client_requests.queries import requests_by_card


@dataclass(frozen=True)
class Facts:
    """What expressions read of cards beyond their fields, by card."""

    attachments: Mapping[uuid.UUID, Sequence[Attachment]] = field(default_factory=dict)
    requests: Mapping[uuid.UUID, Mapping[str, ClientRequest]] = field(default_factory=dict)


def load_facts(card_ids: Sequence[uuid.UUID], names: Iterable[str]) -> Facts:
    """Return what expressions that use `names` (like `evidence.call.outcome`) need. Two queries at most."""
    roots = {name.partition(".")[0] for name in names}
    return Facts(
        attachments_by_card(card_ids) if "evidence" in roots and card_ids else {},
        requests_by_card(card_ids) if "requests" in roots and card_ids else {},
    )


def expression_context(subject: Subject, facts: Facts) -> dict[str, Any]:
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
    for declared in subject.playbook.fields.values():
        target = on_card if declared.of == "card" else on_account
        target[declared.key] = _value(declared, subject)
    return {
        "card": on_card,
        "account": on_account,
        "evidence": _evidence(subject.playbook, facts.attachments.get(subject.id, ())),
        "requests": _requests(subject.playbook, facts.requests.get(subject.id, {})),
        "now": subject.now,
        "today": today_of(subject.playbook, subject.now),
    }


def today_of(playbook: PlaybookDef, at: datetime) -> date:
    """Return which day it is where the playbook's first calendar is."""
    calendar = next(iter(playbook.calendars.values()), None)
    return at.astimezone(ZoneInfo(calendar.time_zone) if calendar else UTC).date()


def _value(field: FieldDef, subject: Subject) -> Any:
    proposed = subject.proposed.get(field.key)
    value = proposed if proposed is not None else field_value(field, subject.card, subject.account)
    return for_expressions(field, value)


def _requests(playbook: PlaybookDef, asked: Mapping[str, ClientRequest]) -> dict[str, dict[str, Any]]:
    return {key: {"status": asked[key].status if key in asked else None} for key in playbook.client_requests}


def _evidence(playbook: PlaybookDef, attachments: Iterable[Attachment]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {key: {"count": 0, "outcome": None} for key in playbook.evidence}
    for item in sorted(attachments, key=lambda item: item.added_at):
        if item.key in found:
            found[item.key]["count"] += 1
            found[item.key]["outcome"] = item.outcome or found[item.key]["outcome"]
    return found
