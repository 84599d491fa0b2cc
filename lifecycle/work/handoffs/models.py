"""Handoffs between pipelines."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id

STATES = ("offered", "accepted", "returned", "withdrawn")


class Handoff(Model):
    """A card that opened another one, with the context the playbook declares (E17).

    `context` holds what was handed over as people read it: {"fields": [{"key", "name", "value"}], "files":
    [{"id", "name"}], "promises": [...], "contacts": [...]}. One handoff a pair of cards; offered again after
    it was returned, it is the same one, and `round` counts.
    """

    __tablename__ = "handoffs"
    __table_args__ = (
        UniqueConstraint("from_card_id", "to_pipeline"),
        Index("ix_handoffs_open", "to_department", "due_at", postgresql_where=text("state = 'offered'")),
        Index("ix_handoffs_to_card", "to_card_id"),
        CheckConstraint("state in (" + ",".join(f"'{state}'" for state in STATES) + ")", name="state"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    from_card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    to_card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    from_pipeline: Mapped[str]
    to_pipeline: Mapped[str]
    to_department: Mapped[str] = mapped_column(ForeignKey("departments.key"))
    state: Mapped[str] = mapped_column(default="offered")
    round: Mapped[int] = mapped_column(default=1)
    note: Mapped[str | None]
    context: Mapped[dict[str, Any]] = mapped_column(default=dict)
    offered_at: Mapped[datetime] = mapped_column(default=now)
    offered_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    due_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str | None]
