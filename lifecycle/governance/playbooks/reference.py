"""A playbook's stages in words, as its people read them: what to bring, what to do, where it leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.language.model import CheckDef, EdgeDef, PipelineDef, PlaybookDef, StageDef
from lifecycle.governance.playbooks.doctor import OWNER_WORDS, StageCare, care_of
from lifecycle.governance.playbooks.fields import words_of

EDGE_WORDS: Final = {
    "forward": "forward",
    "revision": "back for rework",
    "at_risk": "at risk",
    "recovery": "recovered",
    "reactivation": "active again",
    "reject": "rejected",
    "nurture": "later",
    "close": "closed",
    "reopen": "reopened",
}


@dataclass(frozen=True)
class Criterion:
    """One requirement in words. `condition` says when it counts, `waivable_by` who may waive it."""

    text: str
    is_warning: bool
    condition: str
    waivable_by: str


@dataclass(frozen=True)
class WayOut:
    """Where a card can go from a stage."""

    to_name: str
    kind: str
    kind_words: str
    by: str
    asks: tuple[str, ...]
    says: str


@dataclass(frozen=True)
class StageReference:
    """A stage as the reference shows it."""

    stage: StageDef
    care: StageCare
    phase: str
    owner: str
    entry: tuple[Criterion, ...]
    exit: tuple[Criterion, ...]
    asks: tuple[str, ...]
    tasks: tuple[str, ...]
    ways: tuple[WayOut, ...]


def reference_of(playbook: PlaybookDef, pipeline: PipelineDef) -> tuple[StageReference, ...]:
    """Return the stages of a pipeline in order."""
    return tuple(_stage(playbook, pipeline, stage) for stage in pipeline.stages)


def _stage(playbook: PlaybookDef, pipeline: PipelineDef, stage: StageDef) -> StageReference:
    phase = playbook.phase_of(stage)
    department = playbook.departments[stage.department].name
    return StageReference(
        stage=stage,
        care=care_of(playbook, stage),
        phase=phase.name if phase else "",
        owner=f"{department}; {OWNER_WORDS.get(stage.owner_rule, stage.owner_rule)}",
        entry=tuple(_criterion(playbook, stage, check) for check in stage.enter),
        exit=tuple(_criterion(playbook, stage, check) for check in stage.leave),
        asks=tuple(question.name for question in stage.asks),
        tasks=tuple(
            task.title + (f" (within {task.due})" if task.due else "") + _assigned(playbook, task.assignee)
            for task in stage.tasks
        ),
        ways=tuple(_way(playbook, pipeline, edge) for edge in pipeline.edges_from(stage.key)),
    )


def _assigned(playbook: PlaybookDef, assignee: str) -> str:
    return "" if assignee == "owner" else f", {playbook.name_of(assignee)}"


def _way(playbook: PlaybookDef, pipeline: PipelineDef, edge: EdgeDef) -> WayOut:
    return WayOut(
        to_name=pipeline.stage(edge.to_stage).name,
        kind=edge.kind,
        kind_words=EDGE_WORDS[edge.kind],
        by=playbook.name_of(edge.by) if edge.by else "",
        asks=tuple(question.name for question in edge.asks),
        says=edge.says,
    )


def _criterion(playbook: PlaybookDef, stage: StageDef, check: CheckDef) -> Criterion:
    return Criterion(
        text=requirement_in_words(playbook, stage, check),
        is_warning=check.severity == "warn",
        condition=check.when.text if check.when else "",
        waivable_by=playbook.name_of(check.waive) if check.waive else "",
    )


def requirement_in_words(playbook: PlaybookDef, stage: StageDef, check: CheckDef) -> str:
    """Return what a check wants as a short statement; the author's own sentence where there is one."""
    if check.type == "expression":
        return check.says or f"{words_of(check.params.name)}, or else: {check.params.says}"
    if check.says:
        return check.says
    named = [reference.name for reference in check_types()[check.type].references(check.params)]
    words = _WORDS.get(check.type)
    if words is None:
        name = check_types()[check.type].name(check.params)
        return f"{check.type.replace('_', ' ').capitalize()}: {name}"
    return words(playbook, stage, check, named[0] if named else "")


def _of_field(playbook: PlaybookDef, _: StageDef, check: CheckDef, name: str) -> str:
    field = playbook.fields[name]
    filled = f"{field.name} has a row" if field.type == "table" else f"{field.name} is filled in"
    return filled + _bounds(check)


def _of_evidence(playbook: PlaybookDef, _: StageDef, __: CheckDef, name: str) -> str:
    proof = playbook.evidence[name]
    return f"{proof.name} is {'logged' if proof.accepts == ('talk',) else 'attached'}"


def _of_checklist(playbook: PlaybookDef, _: StageDef, check: CheckDef, name: str) -> str:
    checklist = playbook.checklists[name]
    count = len(check.params.items or checklist.items)
    return f"{checklist.name}: all {count} items are ticked"


def _of_meeting(playbook: PlaybookDef, _: StageDef, __: CheckDef, name: str) -> str:
    return f"{playbook.meetings[name].name} was held, with notes"


def _of_approval(playbook: PlaybookDef, _: StageDef, check: CheckDef, __: str) -> str:
    what = _listed([playbook.fields[field].name for field in check.params.of]) or "The step"
    return f"{what} approved by {playbook.name_of(check.params.by)}"


def _of_task(_: PlaybookDef, stage: StageDef, __: CheckDef, name: str) -> str:
    title = next((task.title for task in stage.tasks if task.key == name), "")
    return f"“{title}” is done" if title else "All tasks are done"


def _of_time(_: PlaybookDef, __: StageDef, check: CheckDef, ___: str) -> str:
    bounds = {"at least": check.params.at_least, "at most": check.params.at_most}
    return "It stayed " + " and ".join(f"{word} {bound}" for word, bound in bounds.items() if bound)


def _of_client(playbook: PlaybookDef, _: StageDef, check: CheckDef, name: str) -> str:
    return f"{playbook.client_requests[name].name} is {check.params.status} by the client"


def _of_questionnaire(playbook: PlaybookDef, _: StageDef, check: CheckDef, __: str) -> str:
    request = playbook.client_requests[check.params.name]
    if not check.params.pages:
        return f"{request.name} is {check.params.status} by the client"
    names = [page.name for page in request.pages if page.key in check.params.pages]
    return f"The client filled in {_listed(names)} of {request.name}"


def _of_handoff(playbook: PlaybookDef, _: StageDef, check: CheckDef, __: str) -> str:
    if check.params.to == "received":
        return "The handoff is accepted"
    pipeline = playbook.pipeline(check.params.to)
    return f"{playbook.name_of(pipeline.department)} accepted the handoff to {pipeline.name}"


_WORDS: Final[dict[str, Callable[[PlaybookDef, StageDef, CheckDef, str], str]]] = {
    "field": _of_field,
    "evidence": _of_evidence,
    "checklist": _of_checklist,
    "meeting": _of_meeting,
    "approval": _of_approval,
    "task": _of_task,
    "time": _of_time,
    "client": _of_client,
    "questionnaire": _of_questionnaire,
    "handoff": _of_handoff,
}


def _bounds(check: CheckDef) -> str:
    low, high = getattr(check.params, "at_least", None), getattr(check.params, "at_most", None)
    words = [f"at least {low}"] if low is not None else []
    words += [f"at most {high}"] if high is not None else []
    return f", {' and '.join(words)}" if words else ""


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}" if names else ""
