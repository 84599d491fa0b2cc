"""Rules in words: what each does, and what its actions came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.governance.language.model import ActionDef, PlaybookDef, RuleDef, StageDef
from lifecycle.governance.rules.actions import (
    AskClientParams,
    HandoffParams,
    MoveParams,
    NotifyParams,
    SetFieldParams,
    TaskParams,
)

# An action as it stands before what it came to, and within a sentence on what a rule does.
_ACTIONS: Final = {
    "notify": ("Tell people", "tells people"),
    "task": ("Create a task", "creates a task"),
    "ask_client": ("Ask the client", "asks the client"),
    "ask_approval": ("Ask for approval", "asks for approval"),
    "handoff": ("Hand over", "hands over"),
    "set_field": ("Fill in a field", "fills in a field"),
    "add_evidence": ("Attach evidence", "attaches evidence"),
    "move": ("Move the card", "moves the card"),
    "remind": ("Remind", "starts or stops reminders"),
    "account_card": ("Bring the account's card along", "brings the account's card along"),
}


@dataclass(frozen=True)
class ActionResult:
    """What one action of a firing came to."""

    action: str
    ok: bool
    says: str


def results_of(results: Sequence[Mapping[str, Any]]) -> list[ActionResult]:
    """Return a firing's results as people read them."""
    return [ActionResult(_names(each["action"])[0], bool(each["ok"]), each["says"]) for each in results]


def what_it_does(playbook: PlaybookDef, rule: RuleDef) -> str:
    """Return what a rule does, like `tells Shop and the owner, creates a task: Call the mill`."""
    return ", ".join(_does(playbook, action) for action in rule.actions)


def whom_it_tells(playbook: PlaybookDef, params: NotifyParams) -> str:
    """Return whom a notice is for, like `Shop, the owner and the client`."""
    told = [playbook.name_of(key) for key in params.departments]
    told += ["the owner"] if params.owner else []
    told += ["the manager"] if params.manager else []
    told += ["the client"] if params.client else []
    told += [f"#{key}" for key in params.channels]
    return " and ".join(filter(None, [", ".join(told[:-1]), *told[-1:]])) or "nobody"


def _names(keyword: str) -> tuple[str, str]:
    # A kind that has no words of its own yet reads as its keyword.
    words = keyword.replace("_", " ")
    return _ACTIONS.get(keyword, (words.capitalize(), words))


def _does(playbook: PlaybookDef, action: ActionDef) -> str:
    params, words = action.params, _names(action.keyword)[1]
    if isinstance(params, NotifyParams):
        return f"tells {whom_it_tells(playbook, params)}"
    if isinstance(params, TaskParams):
        return f"{words}: {params.title}"
    if isinstance(params, AskClientParams):
        return f"{words}: {playbook.client_requests[params.asks].name}"
    if isinstance(params, HandoffParams):
        return f"{words} to {playbook.pipeline(params.to).name}"
    if isinstance(params, SetFieldParams):
        return f"fills in {playbook.fields[params.field].name}"
    if isinstance(params, MoveParams):
        return f"{words} to {_stage_name(playbook, params.to)}"
    return words


def _stage_name(playbook: PlaybookDef, key: str) -> str:
    stages: list[StageDef] = [stage for each in playbook.pipelines for stage in each.stages]
    return next((stage.name for stage in stages if stage.key == key), key)
