"""Approval requests and decisions."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class ApprovalRequest(Model):
    """A question put to a role about a card.

    `subject` is what is to be approved, as it stood when it was asked; `subject_hash` is compared with
    the present, so that changing what was approved invalidates the approval (E18).
    """

    __tablename__ = "approval_requests"
    __table_args__ = (
        Index(
            "uq_approval_requests_open",
            "card_id",
            "key",
            unique=True,
            postgresql_where=text("closed_at is null"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"))
    key: Mapped[str]
    role: Mapped[str]
    needed: Mapped[int] = mapped_column(default=1)
    note: Mapped[str | None]
    subject: Mapped[dict[str, Any]]
    subject_hash: Mapped[str]
    requested_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime] = mapped_column(default=now)
    # Set when a newer request replaces this one.
    closed_at: Mapped[datetime | None]


class ApprovalDecision(Model):
    """One person's answer to a request; final."""

    __tablename__ = "approval_decisions"
    __table_args__ = (
        UniqueConstraint("request_id", "decided_by"),
        CheckConstraint("decision in ('approved','rejected')", name="decision"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("approval_requests.id"))
    decision: Mapped[str]
    note: Mapped[str | None]
    decided_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime] = mapped_column(default=now)
