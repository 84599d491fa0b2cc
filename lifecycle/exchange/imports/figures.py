"""The figures of an import: counted while it runs, kept as JSON, shown on the page and by the command."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lifecycle.exchange.imports.changes import Effect
from lifecycle.exchange.imports.rows import PlannedCard
from lifecycle.governance.language.model import PipelineDef

_SHOWN_NAMES = 20


@dataclass
class Figures:
    """What an import does, or would do."""

    rows: int = 0
    refused_rows: set[int] = field(default_factory=set)
    created: Counter[str] = field(default_factory=Counter)
    values: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    currency: str | None = None
    held: int = 0
    undated: int = 0
    new_accounts: int = 0
    restored_accounts: int = 0
    new_account_names: list[str] = field(default_factory=list)
    new_contacts: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0

    def count_new(self, card: PlannedCard) -> None:
        """Count a card that comes onto the board."""
        self.created[card.stage] += 1
        if card.value_amount is not None:
            self.values[card.stage] += card.value_amount
            self.currency = card.value_currency
        self.held += card.account is None
        self.undated += card.is_undated

    def count_effect(self, row: int, effect: Effect) -> None:
        """Count what came of a row about a card that was there already."""
        self.changed += effect.edited or effect.moved
        self.moved += effect.moved
        if effect.sentences:
            self.refused_rows.add(row)

    def note_accounts(self, names: Sequence[str]) -> None:
        """Keep the first names of new accounts, to be shown."""
        self.new_account_names += names[: _SHOWN_NAMES - len(self.new_account_names)]

    def as_dict(self, pipeline: PipelineDef, unknown_owners: Mapping[str, int]) -> dict[str, Any]:
        """Return the figures as JSON."""
        stages = [
            {
                "key": stage.key,
                "name": stage.name,
                "kind": stage.kind,
                "count": self.created[stage.key],
                "value": str(self.values[stage.key]) if stage.key in self.values else None,
            }
            for stage in pipeline.stages
            if self.created[stage.key]
        ]
        owners = Counter(unknown_owners).most_common(_SHOWN_NAMES)
        return {
            "rows": self.rows,
            "created": self.created.total(),
            "changed": self.changed,
            "moved": self.moved,
            "unchanged": self.unchanged,
            "refused": len(self.refused_rows),
            "stages": stages,
            "value": str(sum(self.values.values(), Decimal())) if self.values else None,
            "currency": self.currency,
            "held": self.held,
            "undated": self.undated,
            "new_accounts": self.new_accounts,
            "restored_accounts": self.restored_accounts,
            "new_account_names": self.new_account_names,
            "new_contacts": self.new_contacts,
            "unknown_owners": [[name, rows] for name, rows in owners],
            "unknown_owner_count": len(unknown_owners),
        }
