"""Attachments of a card."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class Attachment(Model):
    """A proof attached to a card; `key` names the playbook's evidence it is for, if any.

    A talk (E16) has a date, a medium and an outcome. Withdrawing hides it; nothing is deleted.
    """

    __tablename__ = "attachments"
    __table_args__ = (
        Index("ix_attachments_search", text("lifecycle_fold(title) gin_trgm_ops"), postgresql_using="gin"),
        CheckConstraint("kind in ('file','link','note','talk')", name="kind"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"), index=True)
    visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"))
    key: Mapped[str | None]
    kind: Mapped[str]
    title: Mapped[str]
    file_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id"))
    url: Mapped[str | None]
    note: Mapped[str | None]
    happened_at: Mapped[datetime | None]
    medium: Mapped[str | None]
    outcome: Mapped[str | None]
    added_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    added_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
