"""Where a card may go right now, before anybody drops it: every stage with the state of its gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lifecycle.governance.cards.limits import LIMIT, limit_remark, may_exceed, rooms, with_room
from lifecycle.governance.gates.evaluate import GateQuestion, evaluate
from lifecycle.governance.gates.report import GateReport
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.gates.way import Way, find_way, way_out_of_retired
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can

TargetState = Literal["open", "needs_input", "blocked", "forbidden"]


@dataclass(frozen=True)
class Target:
    """One stage as a goal. `unmet` counts the checks that block; `says` is why, in one sentence."""

    stage: str
    name: str
    kind: str
    state: TargetState
    unmet: int
    says: str
    way_kind: str


def list_targets(subject: Subject, actor: Actor) -> list[Target]:
    """Return every other stage of the card's pipeline with its state for `actor`.

    All gates are evaluated together: a constant number of queries.
    """
    is_retired = subject.pipeline.find_stage(subject.stage.key) is None
    ways = [
        way_out_of_retired(subject.pipeline, subject.stage, stage, actor)
        if is_retired
        else find_way(subject.pipeline, subject.stage.key, stage.key, actor, override=True)
        for stage in subject.pipeline.stages
        if stage.key != subject.stage.key
    ]
    room = rooms(subject.card.pipeline_id)
    reports = [
        with_room(report, room.get(way.to_stage.key))
        for way, report in zip(
            ways, evaluate([GateQuestion(subject, way.to_stage, way.checks) for way in ways]), strict=True
        )
    ]
    return [_target(subject, way, report, actor) for way, report in zip(ways, reports, strict=True)]


def _target(subject: Subject, way: Way, report: GateReport, actor: Actor) -> Target:
    state, says = _state(subject, way, report, actor)
    return Target(
        way.to_stage.key, way.to_stage.name, way.to_stage.kind, state, len(report.blocked), says, way.kind
    )


def _state(subject: Subject, way: Way, report: GateReport, actor: Actor) -> tuple[TargetState, str]:
    if not can(actor, "cards.move"):
        return "forbidden", "Your role may look at cards, not move them."
    if subject.card.archived_at is not None:
        return "forbidden", "The card is archived."
    if way.refusal:
        return "forbidden", way.refusal
    if report.blocked:
        return _blocked(report, actor)
    return _open(way, report)


def _blocked(report: GateReport, actor: Actor) -> tuple[TargetState, str]:
    first, more = report.blocked[0], len(report.blocked) - 1
    if first.key == LIMIT and may_exceed(actor):
        return "needs_input", f"{first.sentence} Or say why one more may come."
    return "blocked", first.sentence + (f" And {more} more." if more else "")


def _open(way: Way, report: GateReport) -> tuple[TargetState, str]:
    if way.kind == "skip":
        over = ", ".join(stage.name for stage in way.jumped)
        return "open" if not way.asks else "needs_input", f"Passes over {over}, whose gates are met."
    if way.needs_reason:
        return "needs_input", "Goes back against the flow; asks for a reason."
    if any(question.required for question in way.asks):
        return "needs_input", "Asks: " + ", ".join(question.name for question in way.asks) + "."
    return "open", limit_remark(report)
