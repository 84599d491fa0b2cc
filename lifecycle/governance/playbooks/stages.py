"""Compile one pipeline: its stages with what they inherit, and the moves beside forward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.governance.language.document import (
    EVERY_OPEN_STAGE,
    ClientGateDocument,
    MoveDocument,
    NextActionDocument,
    NotifyDocument,
    PipelineDocument,
    ReminderDocument,
    SeriesDocument,
    StageDefaults,
    StageDocument,
    SuggestionDocument,
    TaskDocument,
)
from lifecycle.governance.language.errors import Path, nearest, shown
from lifecycle.governance.language.model import (
    OWNER_RULES,
    ClientGateDef,
    EdgeDef,
    EdgeKind,
    FieldDef,
    FirstValueDef,
    LimitDef,
    NextActionDef,
    NotifyDef,
    PhaseDef,
    PipelineDef,
    Question,
    ReminderSeries,
    ReminderStep,
    SlaDef,
    StageDef,
    SuggestionDef,
    TaskDef,
)
from lifecycle.governance.language.reminders import parse_step
from lifecycle.governance.playbooks.checks import CheckCompiler, CheckTypes
from lifecycle.governance.playbooks.fields import Lists, QuestionCompiler, expect_date, words_of
from lifecycle.governance.playbooks.references import Names
from lifecycle.governance.playbooks.rules import ActionCompiler


@dataclass(frozen=True)
class Shared:
    """What the playbook gives each of its pipelines."""

    playbook: str
    fields: Mapping[str, FieldDef]
    lists: Lists
    phases: Mapping[str, PhaseDef]
    calendars: tuple[str, ...]
    types: CheckTypes
    series: SeriesDocument

    def questions(self, names: Names) -> QuestionCompiler:
        """Return what compiles the questions of moves."""
        return QuestionCompiler(self.fields, self.lists, names.findings)


def compile_pipeline(written: PipelineDocument, shared: Shared, names: Names) -> PipelineDef:
    """Return the pipeline; mistakes are noted."""
    path: Path = ("pipelines", written.pipeline)
    tasks = {key for stage in written.stages.values() for key in stage.tasks}
    inner = names.within({"stage": written.stages, "task": tasks})
    names.expect("department", written.department, (*path, "department"))
    stages = tuple(_Stage(key, written, shared, inner).compiled() for key in written.stages)
    edges = _edges(written, stages, shared, inner, path)
    pipeline = PipelineDef(
        key=written.pipeline,
        slug=f"{shared.playbook}.{written.pipeline}",
        name=written.name or words_of(written.pipeline),
        department=written.department,
        stages=stages,
        edges=edges,
        purpose=written.purpose,
        why_so_many=written.why_so_many,
        first_value=_first_value(written, shared, inner, (*path, "first_value")),
    )
    _check_order(pipeline, inner, path)
    for stage in stages:
        _check_suggestions(pipeline, stage, inner, (*path, "stages", stage.key, "suggest"))
    return pipeline


def _first_value(written: PipelineDocument, shared: Shared, names: Names, path: Path) -> FirstValueDef | None:
    said = written.first_value
    if said is None:
        return None
    if (said.field is None) == (said.stage is None):
        remedy = "write 'field: some_date' or 'stage: some_stage'"
        names.findings.note(path, "first value is either a field or a stage", remedy)
        return None
    if said.stage is not None:
        return (
            FirstValueDef(stage=said.stage) if names.expect("stage", said.stage, (*path, "stage")) else None
        )
    remedy = "declare a field of 'type: date'"
    field = expect_date(said.field or "", shared.fields, names.findings, (*path, "field"), remedy)
    return FirstValueDef(field=field) if field else None


def _check_order(pipeline: PipelineDef, names: Names, path: Path) -> None:
    """Open stages come before closed ones, and there is at least one of each."""
    stages = (*path, "stages")
    if all(stage.is_beside for stage in pipeline.open_stages):
        names.findings.note(stages, "no stage is open", "begin with a stage in which work goes on")
    if len(pipeline.open_stages) == len(pipeline.stages):
        names.findings.note(stages, "no stage ends the work", "end with 'closed_won: {kind: won}'")
    closed = False
    for stage in pipeline.stages:
        if closed and stage.is_open:
            names.findings.note(
                (*stages, stage.key), "an open stage stands after a closed one", "move it up", key=True
            )
        closed = closed or not stage.is_open
    for name, count in Counter(stage.name for stage in pipeline.stages).items():
        if count > 1:
            names.findings.note(
                stages, f"{count} stages are called '{shown(name)}'", "give each its own name"
            )


class _Stage:
    """Compiles one stage, looking in the defaults for what it does not say."""

    def __init__(self, key: str, pipeline: PipelineDocument, shared: Shared, names: Names) -> None:
        self.key, self.pipeline, self.shared, self.names = key, pipeline, shared, names
        self.written: StageDocument = pipeline.stages[key]
        self.position = list(pipeline.stages).index(key)
        self.path: Path = ("pipelines", pipeline.pipeline, "stages", key)
        self.is_open = self.written.kind == "open"
        self.checks = CheckCompiler(shared.types, names)

    def compiled(self) -> StageDef:
        """Return the stage; mistakes are noted."""
        written, names, path = self.written, self.names, self.path
        phase = self._named("phase")
        known_phase = self.shared.phases.get(phase or "")
        can_create = written.new_cards if written.new_cards is not None else self.position == 0
        return StageDef(
            key=self.key,
            name=written.name or words_of(self.key),
            position=self.position,
            kind=written.kind,
            phase=phase if known_phase else None,
            lane=self._named("lane") or (known_phase.lane if known_phase else None),
            department=self._named("department") or self.pipeline.department,
            purpose=written.purpose,
            owner_rule=self._owner(),
            sla=self._sla(),
            calendar=self._calendar(),
            next_action=_next_action(written.next_action, names, (*path, "next_action")),
            tasks=tuple(
                _task(key, task, self.shared.series, names, (*path, "tasks", key))
                for key, task in written.tasks.items()
            ),
            enter=self.checks.compiled(written.enter, self.key, "enter", (*path, "enter")),
            leave=self.checks.compiled(written.leave, self.key, "leave", (*path, "leave")),
            asks=self.shared.questions(names).compiled(written.asks, (*path, "asks")),
            is_client_gate=written.client_gate is not None,
            client_gate=self._client_gate(written.client_gate),
            then_move=self._then_move(),
            is_beside=written.beside,
            notify=self._notify(),
            on_enter=ActionCompiler(names.with_event()).compiled(written.on_enter, (*path, "on_enter")),
            escalate=self._escalate(),
            suggestions=self._suggestions(),
            limit=self._limit(),
            can_create=can_create,
        )

    def _said(self, what: str) -> tuple[Any, Path]:
        """Return what the stage says, or its defaults do, and where that stands."""
        own = getattr(self.written, what)
        if own is not None:
            return own, (*self.path, what)
        defaults: StageDefaults = self.pipeline.stage_defaults
        return getattr(defaults, what), ("pipelines", self.pipeline.pipeline, "stage_defaults", what)

    def _named(self, kind: str) -> str | None:
        name, path = self._said(kind)
        return name if self.names.expect(kind, name, path) else None

    def _owner(self) -> str:
        rule, path = self._said("owner")
        if rule is None:
            return "keep"
        words = str(rule).replace(" ", "_")
        if words in OWNER_RULES:
            return words
        if "@" not in words:
            known = [*OWNER_RULES, "an email address"]
            self.names.findings.note(
                path, f"'{shown(rule)}' is not a way to find an owner", nearest(words, known)
            )
        return str(rule)

    def _sla(self) -> SlaDef | None:
        words, path = self._said("sla")
        if not self.is_open:
            if self.written.sla is not None:
                self.names.findings.note(path, "a closed stage has no SLA", "leave it out")
            return None
        duration = self.names.findings.duration(path, words)
        soon_words, soon_path = self._said("due_soon")
        due_soon = self.names.findings.duration(soon_path, soon_words)
        if duration is None:
            return None
        if duration.business and not self.shared.calendars:
            self.names.findings.note(path, "business time needs a calendar", "declare one under 'calendars'")
        return SlaDef(duration, due_soon)

    def _limit(self) -> LimitDef | None:
        written = self.written.limit
        if written is None:
            return None
        if not self.is_open:
            self.names.findings.note((*self.path, "limit"), "a closed stage has no limit", "leave it out")
            return None
        return LimitDef(written.cards, written.hard)

    def _calendar(self) -> str | None:
        name, path = self._said("calendar")
        if not self.names.expect("calendar", name, path):
            return None
        if name is None and len(self.shared.calendars) > 1 and self.is_open:
            self.names.findings.note(
                self.path, "there are several calendars and none is named", "write 'calendar: name'", key=True
            )
        return name or (self.shared.calendars[0] if self.shared.calendars else None)

    def _notify(self) -> tuple[NotifyDef, ...]:
        written, path = self._said("notify")
        found: dict[tuple[bool, bool, str | None], tuple[list[str], list[str]]] = {}
        for position, each in enumerate(written or ()):
            self._check_notify(each, (*path, position))
            departments, channels = found.setdefault((each.owner, each.client, each.message), ([], []))
            departments += [key for key in each.departments if key not in departments]
            channels += [key for key in each.channels if key not in channels]
        return tuple(
            NotifyDef(tuple(departments), owner, client, message, tuple(channels))
            for (owner, client, message), (departments, channels) in found.items()
        )

    def _check_notify(self, written: NotifyDocument, path: Path) -> None:
        for number, department in enumerate(written.departments):
            self.names.expect("department", department, (*path, "departments", number))
        self.names.expect("message", written.message, (*path, "message"))
        if not (written.departments or written.owner or written.client or written.channels):
            self.names.findings.note(
                path, "this tells nobody", "name departments, channels, 'owner: yes' or 'client: yes'"
            )
        if written.client and written.message is None:
            self.names.findings.note(path, "a client is told by a message", "add 'message: name'")

    def _client_gate(self, written: ClientGateDocument | None) -> ClientGateDef | None:
        if written is None or written.asks is None:
            return None
        names, path = self.names, (*self.path, "client_gate")
        if not names.expect("client_request", written.asks, (*path, "asks")):
            return None
        defaults = self.shared.series.client_gates
        remind, escalate = written.remind, written.escalate
        if remind is None and escalate is None and defaults is not None:
            series = compile_series(defaults, names, ("playbook", "reminders", "client_gates"))
        else:
            said = ReminderDocument(remind=remind or [], escalate=escalate)
            series = compile_series(said, names, path)
        due = names.findings.duration((*path, "due"), written.due)
        return ClientGateDef(written.asks, written.to, due, series)

    def _then_move(self) -> str | None:
        target, path = self.written.then_move, (*self.path, "then_move")
        if target is None:
            return None
        if self.written.client_gate is None or self.written.client_gate.asks is None:
            self.names.findings.note(
                path,
                "nothing is asked of the client here",
                "write 'client_gate: { asks: … }', or leave it out",
                key=True,
            )
        return target if self.names.expect("stage", target, path) else None

    def _escalate(self) -> ReminderStep | None:
        words, path = self._said("escalate")
        if words is None or not self.is_open:
            return None
        step = self.names.findings.attempt(path, lambda: parse_step(words))
        if step is not None and (step.is_before or step.offset is None):
            self.names.findings.note(
                path, "an SLA is escalated after its breach", "write '1 business day after'"
            )
        return step

    def _suggestions(self) -> tuple[SuggestionDef, ...]:
        found = (
            self._suggestion(each, (*self.path, "suggest", position))
            for position, each in enumerate(self.written.suggest)
        )
        return tuple(each for each in found if each is not None)

    def _suggestion(self, written: SuggestionDocument, path: Path) -> SuggestionDef | None:
        known = self.names.expect("stage", written.to, (*path, "to"))
        when = self.names.expression(written.when, (*path, "when"))
        if not known or when is None:
            return None
        return SuggestionDef(written.to, when, dict(written.answers), written.says)


def _next_action(written: NextActionDocument | None, names: Names, path: Path) -> NextActionDef | None:
    if written is None:
        return None
    return NextActionDef(written.do, names.findings.duration((*path, "due"), written.due))


def compile_series(written: ReminderDocument | None, names: Names, path: Path) -> ReminderSeries:
    """Return a series of reminders; mistakes are noted."""
    if written is None:
        return ReminderSeries()
    steps = [
        names.findings.attempt((*path, "remind", position), lambda words=words: parse_step(words))  # type: ignore[misc]
        for position, words in enumerate(written.remind)
    ]
    last = written.escalate
    escalate = names.findings.attempt((*path, "escalate"), lambda: parse_step(last)) if last else None
    return ReminderSeries(tuple(step for step in steps if step is not None), escalate)


def _task(key: str, written: TaskDocument, series: SeriesDocument, names: Names, path: Path) -> TaskDef:
    if key == "all":
        names.findings.note(path, "'all' means every task", "choose another key", key=True)
    if written.assignee != "owner":
        names.expect("role", written.assignee, (*path, "assignee"))
    due = names.findings.duration((*path, "due"), written.due)
    if written.reminders is None:
        reminders = compile_series(series.tasks, names, ("playbook", "reminders", "tasks"))
    else:
        reminders = compile_series(written.reminders, names, (*path, "reminders"))
    return TaskDef(key, written.title or words_of(key), due, written.assignee, reminders)


def _edges(
    written: PipelineDocument, stages: tuple[StageDef, ...], shared: Shared, names: Names, path: Path
) -> tuple[EdgeDef, ...]:
    by_key = {stage.key: stage for stage in stages}
    found: dict[tuple[str, str], EdgeDef] = {}
    for position, move in enumerate(written.moves):
        place = (*path, "moves", position)
        names.expect("role", move.by, (*place, "by"))
        asks = shared.questions(names).compiled(move.asks, (*place, "asks"))
        if not names.expect("stage", move.to, (*place, "to")):
            continue
        target = by_key[move.to]
        _check_asked_twice(target, asks, names, place)
        for start in _starts(move, by_key, names, place):
            pair = (start.key, target.key)
            if pair in found:
                names.findings.note(
                    place, f"the move from {start.name} to {target.name} is written twice", "keep one"
                )
            _check_direction(move.kind, start, target, names, place)
            found[pair] = EdgeDef(start.key, target.key, move.kind, move.by, asks, move.says)
    return tuple(found.values())


def _starts(move: MoveDocument, by_key: Mapping[str, StageDef], names: Names, path: Path) -> list[StageDef]:
    found: list[StageDef] = []
    for position, name in enumerate(move.start):
        if name == EVERY_OPEN_STAGE:
            found += [stage for stage in by_key.values() if stage.is_open and stage.key != move.to]
        elif name in by_key:
            found.append(by_key[name])
        else:
            remedy = nearest(name, [*by_key, EVERY_OPEN_STAGE])
            names.findings.note(
                (*path, "from", position), f"'{shown(name)}' is not a stage of this pipeline", remedy
            )
    return found


def _check_direction(kind: EdgeKind, start: StageDef, end: StageDef, names: Names, path: Path) -> None:
    """Note an edge whose kind says another direction than its stages do."""
    sentence = ""
    if start.key == end.key:
        sentence = f"a move from {start.name} to itself goes nowhere"
    elif kind == "forward" and (end.position < start.position or not start.is_open):
        sentence = f"{end.name} does not lie after {start.name}, so the move is not 'forward'"
    elif kind == "revision" and (end.position > start.position or not start.is_open):
        sentence = f"{end.name} does not lie before {start.name}, so the move is not a 'revision'"
    elif kind == "close" and (end.is_open or not start.is_open):
        sentence = f"a move of kind 'close' leads from an open stage to a closed one, {end.name} does not fit"
    elif kind == "reopen" and (start.is_open or not end.is_open):
        sentence = (
            f"a move of kind 'reopen' leads from a closed stage to an open one, {start.name} does not fit"
        )
    if sentence:
        names.findings.note(path, sentence, "change the kind or the stages")


def _check_asked_twice(stage: StageDef, asks: tuple[Question, ...], names: Names, path: Path) -> None:
    asked = {question.key for question in stage.asks}
    for question in asks:
        if question.key in asked:
            place = (*path, "asks", question.key)
            names.findings.note(
                place, f"entering {stage.name} asks '{question.key}' already", "choose another key"
            )


def _check_suggestions(pipeline: PipelineDef, stage: StageDef, names: Names, path: Path) -> None:
    for position, suggestion in enumerate(stage.suggestions):
        place = (*path, position)
        edge = pipeline.edge(stage.key, suggestion.to)
        target = pipeline.stage(suggestion.to)
        if edge is None:
            remedy = "declare it under 'moves'"
            names.findings.note((*place, "to"), f"no move leads from {stage.name} to {target.name}", remedy)
            continue
        questions = {question.key: question for question in (*target.asks, *edge.asks)}
        for key, answer in suggestion.answers.items():
            question = questions.get(key)
            inner = (*place, "answers", key)
            if question is None:
                names.findings.note(
                    inner, f"entering {target.name} does not ask '{shown(key)}'", nearest(key, questions)
                )
            elif question.options and answer not in [option.key for option in question.options]:
                known = [option.key for option in question.options]
                names.findings.note(
                    inner, f"'{shown(answer)}' is not an option of '{key}'", nearest(answer, known)
                )
