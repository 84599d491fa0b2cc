"""Accounts and contacts."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class Account(Model):
    """A customer organization. `is_holding` marks the account that keeps imported cards that named none."""

    __tablename__ = "accounts"
    __table_args__ = (
        Index("ix_accounts_name_lower", func.lower(text("name"))),
        Index(
            "ix_accounts_search",
            text("lifecycle_fold(name) gin_trgm_ops"),
            postgresql_using="gin",
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    country: Mapped[str | None]
    segment: Mapped[str | None]
    website: Mapped[str | None]
    phone: Mapped[str | None]
    notes: Mapped[str | None]
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    is_holding: Mapped[bool] = mapped_column(default=False)
    import_id: Mapped[int | None] = mapped_column(index=True)
    # Raised by every edit; a form carries the one it was made from.
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    archived_at: Mapped[datetime | None]


class Contact(Model):
    """A person in an account.

    How they want to be reached: `channel` is `sms`, or None for email, to which an SMS falls back too. From
    `quiet_from` until `quiet_until`, times like `22:00` on the clock of their `time_zone`, nothing is sent to
    them that they have not asked for themselves.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        Index("ix_contacts_email_lower", func.lower(text("email"))),
        Index(
            "ix_contacts_search",
            text("lifecycle_fold(name) gin_trgm_ops"),
            text("lifecycle_fold(email) gin_trgm_ops"),
            postgresql_using="gin",
        ),
        CheckConstraint("channel in ('sms')", name="channel"),
        CheckConstraint("(quiet_from is null) = (quiet_until is null)", name="quiet_hours"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    title: Mapped[str | None]
    is_verified: Mapped[bool] = mapped_column(default=False)
    # What they may answer for their company: of owner, technical, billing, signatory.
    rights: Mapped[list[Any]] = mapped_column(default=list)
    # Of LANGUAGES; None while nobody has said: then their browser does.
    language: Mapped[str | None]
    channel: Mapped[str | None]
    time_zone: Mapped[str | None]
    quiet_from: Mapped[str | None]
    quiet_until: Mapped[str | None]
    # They answered STOP, or the provider says that they did; another number begins anew.
    sms_stopped_at: Mapped[datetime | None]
    # Their address was refused for good, in whose words; another address begins anew.
    mail_refused_at: Mapped[datetime | None]
    mail_refused_why: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    archived_at: Mapped[datetime | None]
