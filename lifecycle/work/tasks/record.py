"""Writing tasks and ticks. The caller holds the card (`changing_card`) and records the event."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.records.people.actor import Actor
from lifecycle.work.tasks.models import ChecklistTick, Task


def add_task(
    card_id: uuid.UUID,
    visit_id: int,
    title: str,
    *,
    assignee_id: uuid.UUID | None,
    due_at: datetime | None,
    meeting_id: uuid.UUID | None = None,
) -> Task:
    """Add a task that a person made."""
    task = Task(
        card_id=card_id,
        visit_id=visit_id,
        title=title,
        assignee_id=assignee_id,
        due_at=due_at,
        meeting_id=meeting_id,
    )
    db.session.add(task)
    db.session.flush()
    return task


def get_task(card_id: uuid.UUID, task_id: uuid.UUID) -> Task:
    """Return a task of that card.

    Raises:
        NotFound: the card has no such task.
    """
    task = db.session.get(Task, task_id, populate_existing=True)
    if task is None or task.card_id != card_id:
        raise NotFound("This card has no such task.")
    return task


def set_done(task: Task, actor: Actor, *, done: bool) -> bool:
    """Mark a task done or open again; return whether that changed it."""
    if (task.done_at is not None) == done:
        return False
    task.done_at, task.done_by = (now(), actor.user_id) if done else (None, None)
    return True


def set_ticks(card_id: uuid.UUID, checklist: str, items: Mapping[str, bool], actor: Actor) -> None:
    """Tick those items of a checklist that `items` has as done, and untick the others of it."""
    if not items:
        return
    rows = [
        {
            "card_id": card_id,
            "checklist_key": checklist,
            "item_key": item,
            "done_at": now() if done else None,
            "done_by": actor.user_id if done else None,
        }
        for item, done in items.items()
    ]
    statement = insert(ChecklistTick).values(rows)
    new = statement.excluded
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["card_id", "checklist_key", "item_key"],
            set_={"done_at": new.done_at, "done_by": new.done_by},
        )
    )
