"""Compile rules and the actions they take: find each action's schema, and look up everything it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from lifecycle.governance.language.document import ActionDocument, RuleDocument
from lifecycle.governance.language.errors import Path, nearest, shown
from lifecycle.governance.language.model import (
    ActionDef,
    FieldDef,
    NotifyDef,
    PipelineDef,
    RuleDef,
    StageDef,
    TriggerDef,
)
from lifecycle.governance.language.reminders import parse_step
from lifecycle.governance.language.shape import misfits
from lifecycle.governance.playbooks.fields import expect_date, words_of
from lifecycle.governance.playbooks.references import Names, path_of
from lifecycle.governance.rules.actions import ActionParams, MoveParams, NotifyParams, action_kinds
from lifecycle.governance.rules.triggers import EVENT_WORDS, parse_schedule

ENTERED = "card.stage.entered"


@dataclass(frozen=True)
class ActionCompiler:
    """Compiles the actions of one list."""

    names: Names

    def compiled(self, written: Sequence[ActionDocument], path: Path) -> tuple[ActionDef, ...]:
        """Return the actions in order; mistakes are noted."""
        found = (self._one(each, (*path, position)) for position, each in enumerate(written))
        return tuple(action for action in found if action is not None)

    def _one(self, written: ActionDocument, path: Path) -> ActionDef | None:
        kinds = action_kinds()
        when = self.names.expression(written.when, (*path, "when"))
        keywords = [key for key in written.written if key in kinds]
        for key in written.written:
            if key not in kinds:
                self.names.findings.note(
                    (*path, key),
                    f"'{shown(key)}' is not something a rule can do",
                    nearest(key, kinds),
                    key=True,
                )
        if len(keywords) != 1:
            if not written.written or len(keywords) > 1:
                self.names.findings.note(path, "an action is one thing to do", "begin each with its own '- '")
            return None
        keyword = keywords[0]
        wanted = written.written[keyword]
        place = (*path, keyword)
        try:
            params = kinds[keyword].model_validate(wanted)
        except ValidationError as error:
            for inner, sentence, remedy, is_key in misfits(kinds[keyword], error):
                self.names.findings.note((*place, *inner), sentence, remedy, key=is_key)
            return None
        self._look_up(params, wanted, place)
        return ActionDef(keyword, params, when)

    def _look_up(self, params: ActionParams, wanted: Any, path: Path) -> None:
        for reference in params.references():
            place = path_of(wanted, reference.name, path)
            if reference.kind == "duration":
                self.names.findings.duration(place, reference.name)
            elif reference.kind == "reminder":
                self.names.findings.attempt(place, lambda words=reference.name: parse_step(words))  # type: ignore[misc]
            else:
                self.names.expect(reference.kind, reference.name, place)


def rules_of_stages(pipelines: Iterable[PipelineDef]) -> list[RuleDef]:
    """Return what every stage's `notify`, `on_enter` and `then_move` stand for, in order."""
    return [
        rule for pipeline in pipelines for stage in pipeline.stages for rule in _of_stage(pipeline, stage)
    ]


def _of_stage(pipeline: PipelineDef, stage: StageDef) -> list[RuleDef]:
    here = f"{pipeline.key}.{stage.key}"
    entered = TriggerDef(event=ENTERED, pipelines=(pipeline.key,), stages=(stage.key,))
    found = [
        RuleDef(
            f"{here}.notify.{number}",
            f"Notice on entering {stage.name}",
            entered,
            (ActionDef("notify", _as_action(notify)),),
            is_of_stage=True,
        )
        for number, notify in enumerate(stage.notify, start=1)
    ]
    found += [
        RuleDef(
            f"{here}.on_enter.{number}",
            f"{words_of(action.keyword)} on entering {stage.name}",
            entered,
            (action,),
            is_of_stage=True,
        )
        for number, action in enumerate(stage.on_enter, start=1)
    ]
    if stage.then_move and stage.client_gate:
        accepted = TriggerDef(
            event="card.request.accepted",
            pipelines=(pipeline.key,),
            stages=(stage.key,),
            of=stage.client_gate.asks,
        )
        move = ActionDef("move", MoveParams(to=stage.then_move))
        target = pipeline.find_stage(stage.then_move)
        name = f"To {target.name if target else stage.then_move} once the client has accepted"
        found.append(RuleDef(f"{here}.then_move", name, accepted, (move,), is_of_stage=True))
    return found


def _as_action(notify: NotifyDef) -> NotifyParams:
    return NotifyParams(
        departments=notify.departments,
        owner=notify.owner,
        client=notify.client,
        message=notify.message,
        channels=notify.channels,
    )


def compile_rules(
    written: Mapping[str, RuleDocument],
    pipelines: Sequence[PipelineDef],
    fields: Mapping[str, FieldDef],
    names: Names,
) -> list[RuleDef]:
    """Return the rules of rules.yaml; mistakes are noted."""
    return [_rule(key, rule, pipelines, fields, names, ("rules", key)) for key, rule in written.items()]


def _rule(
    key: str,
    written: RuleDocument,
    pipelines: Sequence[PipelineDef],
    fields: Mapping[str, FieldDef],
    names: Names,
    path: Path,
) -> RuleDef:
    for position, name in enumerate(written.pipeline):
        names.expect("pipeline", name, (*path, "pipeline", position))
    concerned = [each for each in pipelines if not written.pipeline or each.key in written.pipeline]
    stages = {stage.key for pipeline in concerned for stage in pipeline.stages}
    tasks = {task.key for pipeline in concerned for stage in pipeline.stages for task in stage.tasks}
    inner = names.within({"stage": stages, "task": tasks}).with_event()
    for position, name in enumerate(written.stage):
        inner.expect("stage", name, (*path, "stage", position))
    return RuleDef(
        key=key,
        name=written.name or words_of(key),
        trigger=_trigger(written, fields, inner, path),
        actions=ActionCompiler(inner).compiled(written.do, (*path, "do")),
        when=inner.expression(written.when, (*path, "when")),
    )


def _trigger(written: RuleDocument, fields: Mapping[str, FieldDef], names: Names, path: Path) -> TriggerDef:
    where = TriggerDef(pipelines=tuple(written.pipeline), stages=tuple(written.stage))
    said = [word for word in ("on", "at", "every") if getattr(written, word) is not None]
    if len(said) != 1:
        names.findings.note(path, "a rule waits for one thing", "write 'on:', 'at:' or 'every:'", key=True)
        return where
    if written.on is not None:
        return _on(written, names, path, where)
    if written.every is not None:
        words = written.every
        found = names.findings.attempt((*path, "every"), lambda: parse_schedule(words))
        weekday, at = found or (None, 0)
        return replace(where, at=at, weekday=weekday)
    return _at(written.at or "", fields, names, (*path, "at"), where)


def _on(written: RuleDocument, names: Names, path: Path, where: TriggerDef) -> TriggerDef:
    word = EVENT_WORDS.get(written.on or "")
    if word is None:
        names.findings.note(
            (*path, "on"),
            f"'{shown(written.on)}' is not something that happens",
            nearest(written.on or "", EVENT_WORDS),
        )
        return where
    if written.of is not None:
        if word.of is None:
            names.findings.note(
                (*path, "of"), f"'{written.on}' is about nothing in particular", "leave it out"
            )
        else:
            names.expect(word.of, written.of, (*path, "of"))
    return replace(where, event=word.event, of=written.of)


def _at(
    words: str, fields: Mapping[str, FieldDef], names: Names, path: Path, where: TriggerDef
) -> TriggerDef:
    text = " ".join(words.split())
    step_words, _, field = text.rpartition(" ")
    if text.startswith("on "):
        step_words = "on due"
    if expect_date(field, fields, names.findings, path, "write '7 days before some_date'") is None:
        return where
    step = names.findings.attempt(path, lambda: parse_step(step_words))
    return replace(where, date_field=field, step=step)
