"""Find what is decoration only: stages without the six things that make them a control (E20), and more.

A gap is something a stage must have; a warning is something that makes people stop using stages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.language.errors import shown
from lifecycle.governance.language.model import (
    CheckDef,
    ChecklistDef,
    EdgeDef,
    EvidenceDef,
    FieldDef,
    MeetingDef,
    PipelineDef,
    PlaybookDef,
    StageDef,
)
from lifecycle.governance.playbooks.fields import words_of
from lifecycle.governance.playbooks.words import coverage_of

MOST_OPEN_STAGES: Final = 8
NOT_PROOF: Final = frozenset({"field", "time", "expression"})
"""Check types that leave nothing behind which somebody could look at later."""

OWNER_WORDS: Final = {
    "keep": "stays with its owner",
    "account_owner": "the account's owner",
    "round_robin": "the department in turn",
    "least_loaded": "who has the least work",
}

Level = Literal["gap", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something wrong with a playbook or the installation, and what to do."""

    level: Level
    place: str
    sentence: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return it on one line."""
        return f"{self.level}: {self.place}: {self.sentence}" + (f" {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class StageCare:
    """The six things of a stage, each in words; None is a gap, "" is not needed in a closed stage."""

    stage: StageDef
    owner: str | None
    required_input: str | None
    notification: str | None
    sla: str | None
    evidence: str | None
    next_action: str | None

    def items(self) -> tuple[tuple[str, str | None], ...]:
        """Return the six with their names, in the order people ask for them."""
        return (
            ("Owner", self.owner),
            ("Required input", self.required_input),
            ("Notification", self.notification),
            ("SLA", self.sla),
            ("Evidence", self.evidence),
            ("Next action", self.next_action),
        )


_REMEDIES: Final = {
    "Owner": "Write 'owner:' for the stage or in stage_defaults.",
    "Required input": "Add a check under 'leave:', or 'asks:' to a closed stage.",
    "Notification": "Write 'notify:' for the stage or in stage_defaults.",
    "SLA": "Write 'sla: 2 business days' for the stage or in stage_defaults.",
    "Evidence": "Add a check that leaves a proof: evidence, meeting, checklist, task or approval.",
    "Next action": "Write 'next_action: what to do next'.",
}


def care_of(playbook: PlaybookDef, stage: StageDef) -> StageCare:
    """Return what a stage has of the six."""
    return StageCare(
        stage=stage,
        owner=_owner(playbook, stage),
        required_input=_required_input(playbook, stage),
        notification=_notification(playbook, stage),
        sla=(str(stage.sla.duration) if stage.sla else None) if stage.is_open else "",
        evidence=_evidence(playbook, stage),
        next_action=(stage.next_action.text if stage.next_action else None) if stage.is_open else "",
    )


def examine(playbook: PlaybookDef, today: date) -> tuple[Finding, ...]:
    """Return every gap and warning of a playbook, gaps first."""
    found = [*_stewardship(playbook, today), *_unused(playbook), *_untranslated(playbook)]
    for pipeline in playbook.pipelines:
        found += [*_of_stages(playbook, pipeline), *_of_length(pipeline), *_of_moves(pipeline)]
    return tuple(sorted(found, key=lambda finding: finding.level != "gap"))


def _owner(playbook: PlaybookDef, stage: StageDef) -> str | None:
    if not stage.department:
        return None
    department = playbook.departments[stage.department].name
    return f"{department}: {OWNER_WORDS.get(stage.owner_rule, stage.owner_rule)}"


def _required_input(playbook: PlaybookDef, stage: StageDef) -> str | None:
    asked = [question.name for question in stage.asks if question.required]
    checks = [check for check in (*stage.enter, *stage.leave) if check.severity == "block"]
    words = [*asked, *(_in_words(playbook, stage, check) for check in checks)]
    return ", ".join(dict.fromkeys(words)) or None


def _notification(playbook: PlaybookDef, stage: StageDef) -> str | None:
    told = [playbook.departments[key].name for notify in stage.notify for key in notify.departments]
    told += ["the owner"] if any(notify.owner for notify in stage.notify) else []
    told += ["the client"] if any(notify.client for notify in stage.notify) else []
    told += [f"#{key}" for notify in stage.notify for key in notify.channels]
    words = ", ".join(dict.fromkeys(told))
    return words[:1].upper() + words[1:] or None


def _evidence(playbook: PlaybookDef, stage: StageDef) -> str | None:
    proofs = [check for check in (*stage.enter, *stage.leave) if check.type not in NOT_PROOF]
    words = [_in_words(playbook, stage, check) for check in proofs]
    if not stage.is_open:
        words += [question.name for question in stage.asks]
    return ", ".join(dict.fromkeys(words)) or None


def _in_words(playbook: PlaybookDef, stage: StageDef, check: CheckDef) -> str:
    """Return what a check asks for in a few words."""
    if check.type == "time":
        return "Minimum stay" if check.params.at_least else "Maximum stay"
    kind = check_types()[check.type]
    if check.type == "task":
        titles = [task.title for task in stage.tasks if task.key == kind.name(check.params)]
        return titles[0] if titles else "All tasks"
    named = {reference.kind: reference.name for reference in kind.references(check.params)}
    if check.type == "approval":
        return f"Approval by {playbook.name_of(named['role'])}"
    if check.type in ("client", "questionnaire"):
        return playbook.client_requests[check.params.name].name
    if check.type == "handoff":
        return "Handoff accepted"
    groups: dict[str, Mapping[str, FieldDef | ChecklistDef | EvidenceDef | MeetingDef]] = {
        "field": playbook.fields,
        "checklist": playbook.checklists,
        "evidence": playbook.evidence,
        "meeting": playbook.meetings,
    }
    if check.type in groups:
        return groups[check.type][named[check.type]].name
    return words_of(kind.name(check.params))


def _stewardship(playbook: PlaybookDef, today: date) -> Iterator[Finding]:
    """Say who looks after the playbook and when it is looked at again (E29)."""
    if playbook.process_owner is None:
        yield Finding("gap", playbook.key, "Nobody owns the process.", "Write 'process_owner:'.")
    if playbook.review_on is None:
        yield Finding("gap", playbook.key, "No date is set for its review.", "Write 'review_on: 2027-01-31'.")
    elif playbook.review_on < today:
        sentence = f"Its review was due on {playbook.review_on.isoformat()}."
        yield Finding("warning", playbook.key, sentence, "Review it and set the next date.")


def _untranslated(playbook: PlaybookDef) -> Iterator[Finding]:
    """Say what clients still read in the playbook's own language (P11)."""
    for each in coverage_of(playbook):
        place = f"{playbook.key}: words/{each.language}"
        remedy = f"Run 'lifecycle playbook words {playbook.key} {each.language}' and translate what is empty."
        if each.missing:
            first = shown(each.missing[0].text)
            counted = f"{len(each.missing)} of {each.all} sentences"
            yield Finding("warning", place, f"{counted} are not translated, first '{first}'.", remedy)
        if each.stale:
            sentence = f"It translates '{shown(each.stale[0])}', which the playbook does not say."
            yield Finding("warning", place, sentence, remedy)


def _asked_for(playbook: PlaybookDef) -> set[tuple[str, str]]:
    """Return the kind and key of all that a gate, request or rule asks for."""
    asked: set[tuple[str, str]] = set()
    for request in playbook.client_requests.values():
        asked |= {("evidence", key) for key in (*request.documents, request.attach) if key}
        asked |= {("evidence", request.sign.paper)} if request.sign and request.sign.paper else set()
        asked |= {("message", key) for key in (request.message, request.reminder) if key}
    for rule in playbook.rules:
        for action in rule.actions:
            asked |= {(reference.kind, reference.name) for reference in action.params.references()}
    for pipeline in playbook.pipelines:
        asked |= {
            ("client_request", stage.client_gate.asks) for stage in pipeline.stages if stage.client_gate
        }
    for pipeline in playbook.pipelines:
        for stage in pipeline.stages:
            for check in (*stage.enter, *stage.leave):
                references = check_types()[check.type].references(check.params)
                asked.update((reference.kind, reference.name) for reference in references)
    return asked


def _unused(playbook: PlaybookDef) -> Iterator[Finding]:
    """Name what no gate, request or rule asks for."""
    asked = _asked_for(playbook)
    groups = (
        ("checklist", playbook.checklists),
        ("evidence", playbook.evidence),
        ("meeting", playbook.meetings),
        ("message", playbook.messages),
        ("client_request", playbook.client_requests),
    )
    for kind, group in groups:
        for key in group:
            if (kind, key) not in asked:
                yield Finding(
                    "warning",
                    playbook.key,
                    f"Nothing uses the message '{key}'."
                    if kind == "message"
                    else f"No gate asks for the {kind.replace('_', ' ')} '{key}'.",
                    "Use it or leave it out.",
                )


def _of_stages(playbook: PlaybookDef, pipeline: PipelineDef) -> Iterator[Finding]:
    for stage in pipeline.stages:
        place = f"{pipeline.slug}: {stage.name}"
        for name, words in care_of(playbook, stage).items():
            if words is None:
                yield Finding("gap", place, f"{name} is missing.", _REMEDIES[name])
        if stage.is_client_gate and stage.client_gate is None:
            yield Finding(
                "gap", place, "This client gate asks the client nothing.", "Write 'client_gate: { asks: … }'."
            )
        waivable = [check for check in stage.leave if stage.is_client_gate and check.waive]
        if waivable:
            yield Finding(
                "warning",
                place,
                "A check of this client gate can be waived.",
                "Write 'waive: nobody' for it.",
            )


def _of_length(pipeline: PipelineDef) -> Iterator[Finding]:
    count = len(pipeline.open_stages)
    if count > MOST_OPEN_STAGES and not pipeline.why_so_many:
        yield Finding(
            "warning",
            pipeline.slug,
            f"It has {count} open stages; people lose track beyond {MOST_OPEN_STAGES}.",
            "Join some, or say why under 'why_so_many:'.",
        )


def _of_moves(pipeline: PipelineDef) -> Iterator[Finding]:
    """Name the moves that ask nothing and check nothing: no guided form leads through them (E7, E20)."""
    for stage in pipeline.stages:
        for edge in pipeline.edges_from(stage.key):
            if not _is_guided(pipeline, edge):
                target = pipeline.stage(edge.to_stage)
                yield Finding(
                    "warning",
                    pipeline.slug,
                    f"The move from {stage.name} to {target.name} has no guided form.",
                    "Let it ask something under 'asks:', or add a check.",
                )


def _is_guided(pipeline: PipelineDef, edge: EdgeDef) -> bool:
    start, end = pipeline.stage(edge.from_stage), pipeline.stage(edge.to_stage)
    return bool(edge.asks or end.asks or end.enter or (edge.kind == "forward" and start.leave))
