"""What a check is asked about: a card, its account and visit, and the revision it runs on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lifecycle.governance.language.model import FieldDef, PipelineDef, PlaybookDef, StageDef
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit


@dataclass(frozen=True)
class Subject:
    """A card as the gate sees it.

    `began_at` is when the stay in the stage began: the visit's entry, or that of the one it continues after
    an undo. `proposed` holds field values that the move itself would write (answers to its questions), so
    that filling a field and moving is one step. `has_requests`: the client has been asked for something that
    is still open, or it was not looked up.
    """

    card: Card
    account: Account
    visit: StageVisit
    playbook: PlaybookDef
    pipeline: PipelineDef
    stage: StageDef
    now: datetime
    began_at: datetime
    proposed: Mapping[str, Any] = field(default_factory=dict)
    has_requests: bool = True

    @property
    def id(self) -> uuid.UUID:
        """The card's id, by which facts are grouped."""
        return self.card.id

    def value(self, key: str) -> Any:
        """Return the stored value of a field of the card or its account; None when it is empty."""
        if key in self.proposed:
            return self.proposed[key]
        return field_value(self.playbook.fields[key], self.card, self.account)


def field_value(definition: FieldDef, card: Card, account: Account) -> Any:
    """Return a field's stored value from where it is kept; None when it is empty."""
    if definition.is_column:
        value = getattr(account, definition.key)
    elif definition.of == "account":
        value = account.fields.get(definition.key)
    else:
        value = card.fields.get(definition.key)
    return None if value in ("", [], None) else value
