"""`checklist`: every item, or the named items, of a checklist are ticked."""

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
from lifecycle.work.tasks.queries import ticks_by_card

# Beyond this many open items a sentence would read like the list that stands under it anyway.
_NAMED = 2
Ticked = dict[uuid.UUID, set[tuple[str, str]]]


class ChecklistParams(Params):
    """`name` is the checklist; without `items` all of it must be ticked."""

    name: str
    items: tuple[str, ...] = ()


class ChecklistCheck(CheckType[ChecklistParams, Ticked]):
    """Written `checklist: demo_ready` or `checklist: {name: demo_ready, items: [room]}`."""

    keyword = "checklist"

    def read(self, written: Any) -> list[ChecklistParams]:
        """Return the check."""
        return [ChecklistParams.model_validate(one_name(written, "checklist"))]

    def name(self, params: ChecklistParams) -> str:
        """Return the checklist's key, and its items' where only some are asked for."""
        return ".".join((params.name, *params.items))

    def references(self, params: ChecklistParams) -> list[Reference]:
        """Return the checklist and the items named."""
        items = [Reference("checklist_item", f"{params.name}.{item}") for item in params.items]
        return [Reference("checklist", params.name), *items]

    def load(self, asks: Sequence[Ask]) -> Ticked:
        """Return each card's ticked items as (checklist, item)."""
        return ticks_by_card(card_ids(asks))

    def judge(self, ask: Ask, params: ChecklistParams, facts: Ticked) -> Verdict:
        """Name the items that are not ticked."""
        checklist = ask.subject.playbook.checklists[params.name]
        wanted = [item for item in checklist.items if not params.items or item.key in params.items]
        ticked = facts.get(ask.subject.id, set())
        open_items = [item for item in wanted if (params.name, item.key) not in ticked]
        remedy = Remedy("checklist", {"checklist": params.name, "items": [item.key for item in wanted]})
        if not open_items:
            return Verdict(True, f"{checklist.name}: all {len(wanted)} items are ticked.", remedy)
        done = len(wanted) - len(open_items)
        if len(open_items) > _NAMED:
            return Verdict(False, f"{checklist.name}: {done} of {len(wanted)} items ticked.", remedy)
        names = ", ".join(f"“{item.name}”" for item in open_items)
        return Verdict(False, f"{checklist.name}: {done} of {len(wanted)} ticked; open: {names}.", remedy)
