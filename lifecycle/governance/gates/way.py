"""Which way leads from one stage to another, and which checks stand in it (E2, E3)."""

from __future__ import annotations

from dataclasses import dataclass

from lifecycle.governance.language.model import CheckDef, PipelineDef, Question, StageDef
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can, holds_role

# Leaving by these is not progress: what the stage left would demand is not asked for.
_WITHOUT_LEAVE_CHECKS = frozenset(
    {"revision", "at_risk", "nurture", "reject", "reopen", "reactivation", "backward"}
)


@dataclass(frozen=True)
class Way:
    """How a card may go from a stage to another.

    `kind` is the edge's kind, `skip` for a forward move over other stages, or `backward`. `refusal` is the
    sentence for somebody who may not go it, whatever the checks say. `needs_reason` asks for a reason.
    """

    kind: str
    from_stage: StageDef
    to_stage: StageDef
    checks: tuple[CheckDef, ...] = ()
    asks: tuple[Question, ...] = ()
    jumped: tuple[StageDef, ...] = ()
    needs_reason: bool = False
    refusal: str | None = None


def find_way(pipeline: PipelineDef, from_key: str, to_key: str, actor: Actor, *, override: bool) -> Way:
    """Return the way between two different stages of `pipeline`, as open to `actor`.

    Args:
        override: go backward where no edge leads, which needs the permission and a reason.

    Raises:
        KeyError: the pipeline has no such stage.
    """
    start, end = pipeline.stage(from_key), pipeline.stage(to_key)
    edge = pipeline.edge(from_key, to_key)
    if edge is not None:
        refusal: str | None = None
        if edge.by and not holds_role(actor, edge.by):
            refusal = f"Only {edge.by.replace('_', ' ')} may move a card from {start.name} to {end.name}."
        checks = end.enter if _skips_leave(edge.kind, end) else start.leave + end.enter
        return Way(edge.kind, start, end, _once(checks), _asked(end.asks + edge.asks), refusal=refusal)
    jumped = pipeline.jumped(from_key, to_key)
    if jumped:
        between = tuple(check for stage in jumped for check in stage.enter + stage.leave)
        checks = _once(start.leave + between + end.enter)
        return Way("skip", start, end, checks, end.asks, jumped)
    return _without_edge(pipeline, start, end, actor, override)


def way_out_of_retired(pipeline: PipelineDef, start: StageDef, end: StageDef, actor: Actor) -> Way:
    """Return the way out of a stage that the card's revision no longer has: it has no edges left.

    Whoever may override takes the card out, with a reason; what the target asks of everybody still holds.
    """
    refusal = None
    if not can(actor, "cards.override"):
        refusal = f"{start.name} is retired; only a manager may move a card out of it, with a reason."
    checks = _once(_unwaivable_before(pipeline, end) + end.enter)
    return Way("retired", start, end, checks, end.asks, needs_reason=True, refusal=refusal)


def _unwaivable_before(pipeline: PipelineDef, end: StageDef) -> tuple[CheckDef, ...]:
    """Return what only the client can give on the path to a stage: nothing leads around it (W7, W16)."""
    return tuple(
        check
        for stage in pipeline.path
        if stage.position < end.position
        for check in stage.enter + stage.leave
        if check.is_clients_alone
    )


def _without_edge(pipeline: PipelineDef, start: StageDef, end: StageDef, actor: Actor, override: bool) -> Way:
    if not start.is_open:
        # An override out of a closed stage would lead past every gate before the target (E26, W7).
        refusal = f"{start.name} is closed; a card leaves it only by the ways that its playbook declares."
        return Way("none", start, end, refusal=refusal)
    if not pipeline.is_backward(start.key, end.key):
        refusal = f"No way leads from {start.name} to {end.name}."
        return Way("none", start, end, refusal=refusal)
    refusal = ""
    if not can(actor, "cards.override"):
        refusal = f"{end.name} lies behind {start.name}; only a manager may move a card back, with a reason."
    elif not override:
        refusal = f"{end.name} lies behind {start.name}; confirm the override and give a reason."
    return Way("backward", start, end, end.enter, end.asks, needs_reason=True, refusal=refusal or None)


def _skips_leave(kind: str, end: StageDef) -> bool:
    return kind in _WITHOUT_LEAVE_CHECKS or end.kind == "lost"


def _once(checks: tuple[CheckDef, ...]) -> tuple[CheckDef, ...]:
    return tuple({check.key: check for check in checks}.values())


def _asked(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    return tuple({question.key: question for question in questions}.values())
