"""Which check types exist, by keyword."""

from __future__ import annotations

from functools import cache
from typing import Any

from lifecycle.governance.gates.checks.approval import ApprovalCheck
from lifecycle.governance.gates.checks.base import CheckType
from lifecycle.governance.gates.checks.checklist import ChecklistCheck
from lifecycle.governance.gates.checks.client import ClientCheck
from lifecycle.governance.gates.checks.evidence import EvidenceCheck
from lifecycle.governance.gates.checks.expression import ExpressionCheck
from lifecycle.governance.gates.checks.field import FieldCheck
from lifecycle.governance.gates.checks.handoff import HandoffCheck
from lifecycle.governance.gates.checks.meeting import MeetingCheck
from lifecycle.governance.gates.checks.questionnaire import QuestionnaireCheck
from lifecycle.governance.gates.checks.task import TaskCheck
from lifecycle.governance.gates.checks.time import TimeCheck

_TYPES: tuple[type[CheckType[Any, Any]], ...] = (
    FieldCheck,
    TaskCheck,
    ChecklistCheck,
    ApprovalCheck,
    MeetingCheck,
    EvidenceCheck,
    ClientCheck,
    QuestionnaireCheck,
    HandoffCheck,
    TimeCheck,
    ExpressionCheck,
)


@cache
def check_types() -> dict[str, CheckType[Any, Any]]:
    """Return every check type by its keyword.

    Raises:
        RuntimeError: two types claim one keyword.
    """
    found: dict[str, CheckType[Any, Any]] = {}
    for kind in _TYPES:
        if kind.keyword in found:
            raise RuntimeError(f"Two check types claim the keyword {kind.keyword!r}.")
        found[kind.keyword] = kind()
    return found
