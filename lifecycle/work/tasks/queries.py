"""Reading tasks and ticks, for many cards at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select

from lifecycle.core.db import among, db
from lifecycle.work.tasks.models import ChecklistTick, Task

# Every gate may ask these, so they are built once.
_TASKS = select(Task).where(among(Task.card_id)).order_by(Task.created_at, Task.id)
_TICKS = select(ChecklistTick.card_id, ChecklistTick.checklist_key, ChecklistTick.item_key).where(
    among(ChecklistTick.card_id), ChecklistTick.done_at.is_not(None)
)


def tasks_by_card(card_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Task]]:
    """Return every task of each card, oldest first; cards without any are left out. One query."""
    found: dict[uuid.UUID, list[Task]] = defaultdict(list)
    for task in db.session.scalars(_TASKS, {"ids": card_ids}):
        found[task.card_id].append(task)
    return found


def ticks_by_card(card_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, set[tuple[str, str]]]:
    """Return each card's ticked items as (checklist key, item key). One query."""
    found: dict[uuid.UUID, set[tuple[str, str]]] = defaultdict(set)
    for card_id, checklist, item in db.session.execute(_TICKS, {"ids": card_ids}):
        found[card_id].add((checklist, item))
    return found
