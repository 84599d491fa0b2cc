"""Planning reminders. The caller says when; whether one is still needed is asked at its time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lifecycle.core.clock import is_pretending, now
from lifecycle.core.db import insert_soon
from lifecycle.core.ids import new_id
from lifecycle.records.reminders.models import Reminder

ESCALATE = "escalate"
EXPIRE = "expire"


@dataclass(frozen=True)
class Plan:
    """One reminder to be kept. `basis_at` is when its subject is due, as of now."""

    kind: str
    subject: str
    step: str
    due_at: datetime
    basis_at: datetime
    says: str | None = None


def plan_reminders(card_id: uuid.UUID, plans: Sequence[Plan]) -> None:
    """Keep those reminders of a card that lie ahead; one kept already stays as it is. One statement."""
    # While history is written, what lies before the true present was settled then.
    at = datetime.now(UTC) if is_pretending() else now()
    ahead = [plan for plan in plans if plan.due_at > at]
    if not ahead:
        return
    rows = [
        {
            "id": new_id(),
            "card_id": card_id,
            "kind": plan.kind,
            "subject": plan.subject,
            "step": plan.step,
            "says": plan.says,
            "due_at": plan.due_at,
            "basis_at": plan.basis_at,
            "state": "pending",
        }
        for plan in ahead
    ]
    insert_soon(Reminder, rows)
