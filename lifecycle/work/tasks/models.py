"""Tasks and checklist ticks."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class Task(Model):
    """Something to do for a card. `key` names the playbook's task it was made from, if any."""

    __tablename__ = "tasks"
    __table_args__ = (
        Index("ix_tasks_card", "card_id"),
        Index(
            "ix_tasks_open",
            "assignee_id",
            "due_at",
            postgresql_where=text("done_at is null and cancelled_at is null"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"))
    meeting_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("meetings.id"))
    key: Mapped[str | None]
    title: Mapped[str]
    assignee_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    done_at: Mapped[datetime | None]
    done_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    outcome: Mapped[str | None]
    cancelled_at: Mapped[datetime | None]


class ChecklistTick(Model):
    """One item of one of the playbook's checklists, ticked (or unticked again) for a card."""

    __tablename__ = "checklist_ticks"

    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"), primary_key=True)
    checklist_key: Mapped[str] = mapped_column(primary_key=True)
    item_key: Mapped[str] = mapped_column(primary_key=True)
    done_at: Mapped[datetime | None]
    done_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
