"""Evaluating gates: any number of cards and ways, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from lifecycle.core.db import among, db
from lifecycle.core.expressions import ExpressionError
from lifecycle.governance.gates.checks.base import Ask, Verdict
from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.gates.context import expression_context, load_facts
from lifecycle.governance.gates.report import CheckResult, GateReport, State
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import CheckDef, StageDef
from lifecycle.records.cards.models import Waiver

# The cards are named for the index, which begins with them.
_WAIVERS = select(Waiver.visit_id, Waiver.check_key, Waiver.reason).where(
    among(Waiver.card_id, "cards"), among(Waiver.visit_id, "visits"), Waiver.withdrawn_at.is_(None)
)


@dataclass(frozen=True)
class GateQuestion:
    """May this card go to that stage, through these checks?"""

    subject: Subject
    to_stage: StageDef
    checks: tuple[CheckDef, ...]


def evaluate(questions: Sequence[GateQuestion]) -> list[GateReport]:
    """Return the report of each question, in order.

    Every check runs, not only up to the first that fails. One query for each check type in use, one for
    waivers, and at most one for conditions, however many questions there are.
    """
    asks = _applicable(questions)
    facts = _load(ask for group in asks for ask in group)
    waived = _waived(questions)
    return [
        GateReport(
            question.subject.stage,
            question.to_stage,
            tuple(_judge(ask, facts, waived) for ask in group),
        )
        for question, group in zip(questions, asks, strict=True)
    ]


def _applicable(questions: Sequence[GateQuestion]) -> list[list[Ask]]:
    conditional = [q for q in questions if any(check.when for check in q.checks)]
    names = [name for q in conditional for check in q.checks if check.when for name in check.when.names]
    known = load_facts([question.subject.id for question in conditional], names)
    groups = []
    for question in questions:
        subject = question.subject
        context = None
        group = []
        for check in question.checks:
            if check.when is not None:
                context = context or expression_context(subject, known)
                try:
                    if not check.when.evaluate(context):
                        continue
                except ExpressionError:
                    # A condition that cannot be told keeps its check: a gate never opens by accident.
                    pass
            group.append(Ask(subject, check))
        groups.append(group)
    return groups


def _load(asks: Iterable[Ask]) -> dict[str, object]:
    by_type: dict[str, list[Ask]] = defaultdict(list)
    for ask in asks:
        by_type[ask.check.type].append(ask)
    return {keyword: check_types()[keyword].load(group) for keyword, group in by_type.items()}


def _waived(questions: Sequence[GateQuestion]) -> dict[tuple[int, str], str]:
    waivable = [q.subject for q in questions if any(check.waive for check in q.checks)]
    if not waivable:
        return {}
    given = {"cards": [subject.id for subject in waivable], "visits": [each.visit.id for each in waivable]}
    rows = db.session.execute(_WAIVERS, given)
    return {(visit_id, check_key): reason for visit_id, check_key, reason in rows}


def _judge(ask: Ask, facts: dict[str, object], waived: dict[tuple[int, str], str]) -> CheckResult:
    check = ask.check
    verdict: Verdict = check_types()[check.type].judge(ask, check.params, facts[check.type])
    state, sentence = _state(check, verdict, waived.get((ask.subject.visit.id, check.key)))
    return CheckResult(
        key=check.key,
        type=check.type,
        stage=check.stage,
        state=state,
        sentence=sentence,
        remedy=verdict.remedy,
        waivable_by=check.waive if state == "blocked" and check.waive != "nobody" else None,
    )


def _state(check: CheckDef, verdict: Verdict, waiver: str | None) -> tuple[State, str]:
    if verdict.holds:
        return "passed", verdict.sentence
    sentence = check.says or verdict.sentence
    if check.severity == "warn":
        return "warning", sentence
    # A waiver counts only while the playbook allows one for this check (W7, W16).
    if waiver is not None and check.waive and check.waive != "nobody":
        return "waived", f"{sentence} Waived: {waiver}"
    return "blocked", sentence
