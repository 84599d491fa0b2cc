"""What a gate answers: every check's state with a sentence and a remedy, all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lifecycle.governance.language.model import StageDef

State = Literal["passed", "warning", "blocked", "waived"]


@dataclass(frozen=True)
class Remedy:
    """Where an unmet check is fixed. `kind` names the form that fixes it, `data` what the form needs."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckResult:
    """One check's answer. `waivable_by` is the role that may waive it, None when nobody may."""

    key: str
    type: str
    stage: str
    state: State
    sentence: str
    remedy: Remedy | None = None
    waivable_by: str | None = None

    def as_evidence(self) -> dict[str, Any]:
        """Return what is kept of it in the gate report."""
        return {"check": self.key, "type": self.type, "state": self.state, "sentence": self.sentence}


@dataclass(frozen=True)
class GateReport:
    """All checks between two stages, in the order of the playbook."""

    from_stage: StageDef
    to_stage: StageDef
    results: tuple[CheckResult, ...]

    @property
    def is_open(self) -> bool:
        """Whether nothing blocks."""
        return not self.blocked

    @property
    def blocked(self) -> tuple[CheckResult, ...]:
        """The checks that block."""
        return tuple(result for result in self.results if result.state == "blocked")

    @property
    def passed(self) -> int:
        """How many checks do not block."""
        return len(self.results) - len(self.blocked)

    @property
    def total(self) -> int:
        """How many checks there are."""
        return len(self.results)

    def as_evidence(self) -> list[dict[str, Any]]:
        """Return what is kept of the report."""
        return [result.as_evidence() for result in self.results]
