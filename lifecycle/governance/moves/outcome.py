"""What a move can answer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lifecycle.governance.cards.limits import entered_remark
from lifecycle.governance.gates.report import GateReport
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.gates.way import Way
from lifecycle.governance.language.model import StageDef

UNDO_WINDOW = timedelta(seconds=60)


@dataclass(frozen=True)
class Moved:
    """The card moved. `visit_id` is its new visit; its author may undo it until `undo_until`.

    `board` is the slug of the pipeline it is on.
    """

    card_id: uuid.UUID
    title: str
    board: str
    from_stage: StageDef
    to_stage: StageDef
    visit_id: int
    report: GateReport
    undo_until: datetime

    @property
    def remark(self) -> str:
        """What to say where the stage had reached its limit; empty while there was room (E26)."""
        return entered_remark(self.report)


@dataclass(frozen=True)
class Blocked:
    """The card stays. Either the way is refused, or answers are missing, or checks block; all are told.

    `answers` are the ones given, to be filled in again; `errors` are theirs, by question key ("reason" is
    the reason's).
    """

    subject: Subject
    way: Way
    report: GateReport
    answers: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def sentences(self) -> list[str]:
        """Everything that keeps the card, as sentences."""
        refusal = [self.way.refusal] if self.way.refusal else []
        return [*refusal, *self.errors.values(), *(result.sentence for result in self.report.blocked)]


@dataclass(frozen=True)
class Stale:
    """Somebody else moved the card first: who, when and where it stands now."""

    card_id: uuid.UUID
    stage: StageDef
    moved_by: str
    moved_at: datetime

    @property
    def sentence(self) -> str:
        """Who moved it and where."""
        return f"{self.moved_by} moved this card to {self.stage.name} meanwhile. Nothing was changed."
