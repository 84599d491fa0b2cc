"""Which function does which action."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from lifecycle.governance.automation.actions import (
    account_card,
    add_evidence,
    ask_approval,
    ask_client,
    handoff,
    move,
    notify,
    remind,
    set_field,
    task,
)
from lifecycle.governance.automation.actions.base import Perform
from lifecycle.governance.rules.actions import action_kinds

_MODULES: Final[dict[str, ModuleType]] = {
    "notify": notify,
    "task": task,
    "ask_client": ask_client,
    "ask_approval": ask_approval,
    "handoff": handoff,
    "set_field": set_field,
    "add_evidence": add_evidence,
    "move": move,
    "remind": remind,
    "account_card": account_card,
}
if set(_MODULES) != set(action_kinds()):
    raise RuntimeError("Every action that an author can write needs somebody who does it, and no other.")


def performer(keyword: str) -> Perform:
    """Return what does an action."""
    found: Perform = _MODULES[keyword].perform
    return found
