"""A gate as people see it: every check with its sentence, and what its fix needs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lifecycle.governance.cards.limits import LIMIT, may_exceed, rooms, with_room
from lifecycle.governance.gates.evaluate import GateQuestion, evaluate
from lifecycle.governance.gates.report import CheckResult, GateReport, Remedy
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.gates.way import Way, find_way, way_out_of_retired
from lifecycle.governance.language.model import Question
from lifecycle.governance.moves.outcome import Blocked
from lifecycle.governance.playbooks.rules import ENTERED
from lifecycle.governance.rules.actions import NotifyParams
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can, holds_role
from lifecycle.records.team_channels.queries import channel_labels


@dataclass(frozen=True)
class CheckView:
    """One check on the panel. `can_waive` is about the reader; `waive_role` who may, in words."""

    key: str
    type: str
    state: str
    sentence: str
    detail: str | None
    is_client: bool
    remedy: Remedy | None
    can_waive: bool
    waive_role: str | None


@dataclass(frozen=True)
class GateView:
    """A gate panel: see templates/components/gate_panel.html."""

    card_id: uuid.UUID
    card_title: str
    account_name: str
    from_name: str
    to_name: str
    to_stage: str
    seen_visit: int
    checks: list[CheckView]
    passed: int
    total: int
    blocked: int
    way_kind: str
    refusal: str | None
    needs_reason: bool
    may_exceed: bool
    asks: tuple[Question, ...]
    tells: list[str] = field(default_factory=list)
    answers: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def move_url(self) -> str:
        """Where the move is posted."""
        return f"/cards/{self.card_id}/moves"

    @property
    def field_checks(self) -> list[CheckView]:
        """The checks that filling in a field mends: they stand together and share one form."""
        return [check for check in self.checks if _asks_for_field(check)]

    @property
    def unmet_checklists(self) -> set[str]:
        """The keys of the checklists whose boxes the panel shows."""
        return {
            check.remedy.data["checklist"]
            for check in self.checks
            if check.state in ("blocked", "warning") and check.remedy and check.remedy.kind == "checklist"
        }

    @property
    def may_advance(self) -> bool:
        """Whether nothing but answers is missing."""
        return not self.blocked and not self.refusal

    def as_data(self) -> dict[str, Any]:
        """Return the panel for programs."""
        return {
            "card": str(self.card_id),
            "from": self.from_name,
            "to": self.to_stage,
            "way": self.way_kind,
            "open": self.may_advance and not self.errors,
            "refusal": self.refusal,
            "asks": [
                {"key": question.key, "name": question.name, "required": question.required}
                for question in self.asks
            ],
            "errors": dict(self.errors),
            "checks": [
                {"key": check.key, "type": check.type, "state": check.state, "says": check.sentence}
                for check in self.checks
            ],
        }


def read_gate(subject: Subject, to_stage: str, actor: Actor) -> GateView:
    """Return the gate from where the card stands to a stage.

    Raises:
        KeyError: the card's revision has no such stage.
    """
    if subject.pipeline.find_stage(subject.stage.key) is None:
        way = way_out_of_retired(subject.pipeline, subject.stage, subject.pipeline.stage(to_stage), actor)
    else:
        may_override = can(actor, "cards.override")
        way = find_way(subject.pipeline, subject.stage.key, to_stage, actor, override=may_override)
    report = evaluate([GateQuestion(subject, way.to_stage, way.checks)])[0]
    report = with_room(report, rooms(subject.card.pipeline_id).get(to_stage))
    return _view(subject, way, report, actor)


def blocked_gate(outcome: Blocked, actor: Actor) -> GateView:
    """Return the panel of a move that was just blocked, with the answers filled in again."""
    return _view(
        outcome.subject,
        outcome.way,
        outcome.report,
        actor,
        answers=outcome.answers,
        errors=outcome.errors,
        reason=outcome.reason,
    )


def _view(subject: Subject, way: Way, report: GateReport, actor: Actor, **typed: Any) -> GateView:
    refusal = way.refusal
    # Whoever may override is asked for a reason instead of being refused.
    if way.kind == "backward" and can(actor, "cards.override"):
        refusal = None
    # Whoever may exceed a limit is asked for a reason, too.
    results = tuple(
        replace(result, state="warning")
        if result.key == LIMIT and result.state == "blocked" and may_exceed(actor)
        else result
        for result in report.results
    )
    exceeds = results != report.results
    report = replace(report, results=results)
    return GateView(
        card_id=subject.card.id,
        card_title=subject.card.title,
        account_name=subject.account.name,
        from_name=way.from_stage.name,
        to_name=way.to_stage.name,
        to_stage=way.to_stage.key,
        seen_visit=subject.card.visit_id,
        checks=[_check(subject, result, actor) for result in _most_urgent_first(report.results)],
        passed=report.passed,
        total=report.total,
        blocked=len(report.blocked),
        way_kind=way.kind,
        refusal=refusal,
        needs_reason=way.needs_reason,
        may_exceed=exceeds,
        asks=way.asks,
        tells=who_is_told(subject, way),
        **typed,
    )


def who_is_told(subject: Subject, way: Way) -> list[str]:
    """Return who will be told what when the card enters, in words (E27); conditions are left to the rules."""
    playbook = subject.playbook
    told: list[tuple[NotifyParams, bool]] = []
    for rule in playbook.rules_on(ENTERED):
        trigger = rule.trigger
        here = not trigger.pipelines or subject.pipeline.key in trigger.pipelines
        if not here or (trigger.stages and way.to_stage.key not in trigger.stages):
            continue
        told += [
            (action.params, not (rule.when or action.when))
            for action in rule.actions
            if isinstance(action.params, NotifyParams)
        ]
    labels = channel_labels(key for params, _ in told for key in params.channels)
    found = [_told(subject, params, labels, is_certain=is_certain) for params, is_certain in told]
    gate = way.to_stage.client_gate
    if gate is not None:
        found.append(f"the client, by “{playbook.client_requests[gate.asks].name}”")
    return found


def _told(subject: Subject, params: NotifyParams, labels: Mapping[str, str], *, is_certain: bool) -> str:
    playbook = subject.playbook
    who = [playbook.name_of(key) for key in params.departments]
    who += ["the owner"] if params.owner else []
    who += ["the department's manager"] if params.manager else []
    who += ["the client"] if params.client else []
    who += [labels[key] for key in params.channels]
    words = ", ".join(who)
    if params.message is not None:
        words += (
            f", by “{playbook.messages[params.message].subject.split('{{')[0].strip() or params.message}”"
        )
    return words if is_certain else f"perhaps {words}"


def _most_urgent_first(results: tuple[CheckResult, ...]) -> list[CheckResult]:
    rank = {"blocked": 0, "warning": 1, "waived": 2, "passed": 3}
    # Fields come first among equals, so that they stand together and are filled in one go.
    return sorted(results, key=lambda result: (rank[result.state], result.type != "field"))


def _asks_for_field(check: CheckView) -> bool:
    return check.state == "blocked" and check.remedy is not None and check.remedy.kind == "field"


def _check(subject: Subject, result: CheckResult, actor: Actor) -> CheckView:
    other_stage = subject.pipeline.find_stage(result.stage)
    skipped = other_stage if other_stage and other_stage.key != subject.stage.key else None
    return CheckView(
        key=result.key,
        type=result.type,
        state=result.state,
        sentence=result.sentence,
        detail=f"Asked for by {skipped.name}." if skipped else None,
        is_client=result.type == "client",
        remedy=result.remedy,
        can_waive=result.waivable_by is not None and holds_role(actor, result.waivable_by),
        waive_role=subject.playbook.name_of(result.waivable_by) if result.waivable_by else None,
    )
