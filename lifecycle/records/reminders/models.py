"""Reminders that are still to come, and what became of those that were due."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.db import Model
from lifecycle.core.ids import new_id

STATES = ("pending", "fired", "cancelled", "skipped")
KINDS = ("request", "task", "sla", "handoff", "meeting", "series")


class Reminder(Model):
    """One time to remind of one subject (E15): `request:<id>`, `task:<id>`, `sla:<visit id>` and so on.

    A reminder is a question asked at its time: is this still open, and still due when it was planned for
    (`basis_at`)? So it stops the moment the thing is done, whoever did it and however, and nothing has to
    remember to call it off. The unique key is the promise that it fires once for its subject, step and due
    time (R7). `cancelled`: there was no need any more; `skipped`: overtaken while nobody was there to send.
    """

    __tablename__ = "reminders"
    __table_args__ = (
        UniqueConstraint("subject", "step", "due_at"),
        Index("ix_reminders_due", "due_at", postgresql_where=text("state = 'pending'")),
        Index("ix_reminders_card", "card_id"),
        CheckConstraint("state in (" + ",".join(f"'{state}'" for state in STATES) + ")", name="state"),
        CheckConstraint("kind in (" + ",".join(f"'{kind}'" for kind in KINDS) + ")", name="kind"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    kind: Mapped[str]
    subject: Mapped[str]
    # The words of the playbook, like `2 days before`; `escalate` and `expire` end a series.
    step: Mapped[str]
    says: Mapped[str | None]
    due_at: Mapped[datetime]
    basis_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="pending")
    settled_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
