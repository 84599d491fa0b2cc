"""What a revision asks of cards that another did not, stage by stage, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifecycle.governance.language.model import CheckDef, PipelineDef, PlaybookDef, Side, StageDef
from lifecycle.governance.playbooks.reference import requirement_in_words

_SIDES: tuple[tuple[Side, str], ...] = (("enter", "To enter"), ("leave", "To leave"))


@dataclass(frozen=True)
class StageDifference:
    """What is different in one stage, a phrase each, without a full stop."""

    stage: str
    name: str
    phrases: tuple[str, ...]


def stage_differences(old: PlaybookDef, new: PlaybookDef, pipeline_key: str) -> tuple[StageDifference, ...]:
    """Return the stages of a pipeline whose rules differ: the new one's in order, then those it lacks.

    Both playbooks have the pipeline. Rules are checks, questions, ways out and the time allowed.
    """
    before, after = old.pipeline(pipeline_key), new.pipeline(pipeline_key)
    found = [
        StageDifference(stage.key, stage.name, tuple(_phrases(old, before, new, after, stage)))
        for stage in after.stages
    ]
    found += [
        StageDifference(stage.key, stage.name, ("Is gone",))
        for stage in before.stages
        if after.find_stage(stage.key) is None
    ]
    return tuple(each for each in found if each.phrases)


def _phrases(
    old: PlaybookDef, before: PipelineDef, new: PlaybookDef, after: PipelineDef, stage: StageDef
) -> Iterator[str]:
    was = before.find_stage(stage.key)
    if was is None:
        yield "Is new"
    elif was.name != stage.name:
        yield f"Was called {was.name}"
    for side, opening in _SIDES:
        yield from _of_checks(opening, _told(old, was, side), _told(new, stage, side))
    if was is None:
        return
    yield from _of_names(
        "Asks on entry", [each.name for each in was.asks], [each.name for each in stage.asks]
    )
    yield from _of_names("Leads", _goals(before, stage.key), _goals(after, stage.key), " to")
    times = [str(each.sla.duration) if each.sla else "none" for each in (was, stage)]
    if times[0] != times[1]:
        yield f"SLA: {times[0]} → {times[1]}, for cards that enter from now on"


@dataclass(frozen=True)
class _Told:
    """A check in words, and all that makes it what it is."""

    words: str
    substance: tuple[Any, ...]


def _told(playbook: PlaybookDef, stage: StageDef | None, side: Side) -> Mapping[str, _Told]:
    checks: Sequence[CheckDef] = () if stage is None else stage.enter if side == "enter" else stage.leave
    return {check.key: _told_check(playbook, stage, check) for check in checks if stage is not None}


def _told_check(playbook: PlaybookDef, stage: StageDef, check: CheckDef) -> _Told:
    condition = check.when.text if check.when else ""
    words = requirement_in_words(playbook, stage, check).rstrip(".")
    words += " (only warns)" if check.severity == "warn" else ""
    words += f", only when {condition}" if condition else ""
    words += f", may be waived by {playbook.name_of(check.waive)}" if check.waive else ""
    items = (
        tuple(item.key for item in playbook.checklists[check.params.name].items)
        if check.type == "checklist"
        else ()
    )
    return _Told(words, (check.type, check.params, check.severity, check.waive, condition, check.says, items))


def _of_checks(opening: str, old: Mapping[str, _Told], new: Mapping[str, _Told]) -> Iterator[str]:
    for key, told in new.items():
        was = old.get(key)
        if was is None:
            yield f"{opening}, now also: {told.words}"
        elif was.words != told.words:
            yield f"{opening}: {was.words} → {told.words}"
        elif was.substance != told.substance:
            yield f"{opening}, by another rule: {told.words}"
    for key, told in old.items():
        if key not in new:
            yield f"{opening}, no longer: {told.words}"


def _of_names(opening: str, old: Sequence[str], new: Sequence[str], joint: str = "") -> Iterator[str]:
    added = [name for name in new if name not in old]
    dropped = [name for name in old if name not in new]
    if added:
        yield f"{opening} now also{joint or ':'} {', '.join(added)}"
    if dropped:
        yield f"{opening} no longer{joint or ':'} {', '.join(dropped)}"


def _goals(pipeline: PipelineDef, key: str) -> list[str]:
    return [pipeline.stage(edge.to_stage).name for edge in pipeline.edges_from(key)]
