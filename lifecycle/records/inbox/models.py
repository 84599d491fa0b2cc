"""Notices: what a user finds in the app's inbox."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class Notice(Model):
    """One sentence to one user about one card, with where to act on it.

    It shows from `shows_at` on, when the move that caused it can no longer be taken back. `cause` is unique,
    so that a cause never tells the same person twice.
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index(
            "ix_notices_unread",
            "user_id",
            "shows_at",
            postgresql_where=text("read_at is null and withdrawn_at is null"),
        ),
        Index("ix_notices_user", "user_id", "shows_at"),
        Index("ix_notices_visit", "visit_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    card_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("cards.id"))
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("stage_visits.id"))
    # info, alert (something is late or failed), or act (it waits for this person's department).
    tone: Mapped[str] = mapped_column(default="info")
    title: Mapped[str]
    body: Mapped[str | None]
    link: Mapped[str]
    cause: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    shows_at: Mapped[datetime] = mapped_column(default=now)
    read_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
