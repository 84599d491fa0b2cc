"""`task`: the stage's tasks, all or the named ones, are done."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from lifecycle.governance.gates.checks.base import (
    Ask,
    CheckType,
    Params,
    Reference,
    Verdict,
    card_ids,
    one_name,
)
from lifecycle.governance.gates.report import Remedy
from lifecycle.work.tasks.models import Task
from lifecycle.work.tasks.queries import tasks_by_card


class TaskParams(Params):
    """`name` is a task of the stage; `all` stands for every task of the visit that is not cancelled."""

    name: str


class TaskCheck(CheckType[TaskParams, dict[uuid.UUID, list[Task]]]):
    """Written `task: call_back` or `task: all`."""

    keyword = "task"

    def read(self, written: Any) -> list[TaskParams]:
        """Return one check for each task named."""
        parts = written if isinstance(written, list) else [written]
        return [TaskParams.model_validate(one_name(part, "task")) for part in parts]

    def name(self, params: TaskParams) -> str:
        """Return the task's key."""
        return params.name

    def references(self, params: TaskParams) -> list[Reference]:
        """Return the task, unless all are meant."""
        return [] if params.name == "all" else [Reference("task", params.name)]

    def load(self, asks: Sequence[Ask]) -> dict[uuid.UUID, list[Task]]:
        """Return each card's tasks."""
        return tasks_by_card(card_ids(asks))

    def judge(self, ask: Ask, params: TaskParams, facts: dict[uuid.UUID, list[Task]]) -> Verdict:
        """Name the open tasks."""
        tasks = [task for task in facts.get(ask.subject.id, []) if task.cancelled_at is None]
        if params.name == "all":
            return _judge_all([task for task in tasks if task.visit_id == ask.subject.visit.id])
        title = next((t.title for t in _stage_tasks(ask) if t.key == params.name), params.name)
        mine = _of_last_stay([task for task in tasks if task.key == params.name])
        if any(task.done_at for task in mine):
            return Verdict(True, f"“{title}” is done.")
        remedy = Remedy(
            "task", {"tasks": [str(task.id) for task in mine], "key": params.name, "title": title}
        )
        return Verdict(False, f"The task “{title}” is not done.", remedy)


def _of_last_stay(tasks: list[Task]) -> list[Task]:
    """Return the tasks of the newest stay that made some: each stay asks for its own."""
    newest = max((task.visit_id for task in tasks), default=None)
    return [task for task in tasks if task.visit_id == newest]


def _judge_all(tasks: list[Task]) -> Verdict:
    remaining = [task for task in tasks if task.done_at is None]
    if not remaining:
        return Verdict(True, "All tasks of this stage are done.")
    names = ", ".join(f"“{task.title}”" for task in remaining)
    remedy = Remedy("task", {"tasks": [str(task.id) for task in remaining]})
    return Verdict(False, f"{len(remaining)} of {len(tasks)} tasks are open: {names}.", remedy)


def _stage_tasks(ask: Ask) -> Sequence[Any]:
    stage = ask.subject.pipeline.find_stage(ask.check.stage)
    return stage.tasks if stage else ()
