"""Playbooks, their revisions, and the rows that give pipelines and stages a lasting identity.

A stage that a later revision drops is retired, never deleted: its name stays in history and a card
that still stands in it keeps its column.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model


class Playbook(Model):
    """A playbook by key; `current_revision_id` is the one new cards start on."""

    __tablename__ = "playbooks"

    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    current_revision_id: Mapped[int | None] = mapped_column(
        ForeignKey("playbook_revisions.id", use_alter=True, name="fk_playbooks_current_revision")
    )


class PlaybookRevision(Model):
    """One published revision: the canonical form of the whole folder and its SHA-256. Immutable."""

    __tablename__ = "playbook_revisions"
    __table_args__ = (
        UniqueConstraint("playbook_key", "number"),
        UniqueConstraint("playbook_key", "sha256"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    playbook_key: Mapped[str] = mapped_column(ForeignKey("playbooks.key"))
    number: Mapped[int]
    sha256: Mapped[str]
    content: Mapped[dict[str, Any]]
    published_at: Mapped[datetime] = mapped_column(default=now)
    published_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class Pipeline(Model):
    """A pipeline's identity across revisions; `slug` is `<playbook>.<pipeline>`, as in board addresses."""

    __tablename__ = "pipelines"
    __table_args__ = (UniqueConstraint("playbook_key", "key"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    playbook_key: Mapped[str] = mapped_column(ForeignKey("playbooks.key"))
    key: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0)


class Stage(Model):
    """A stage's identity across revisions. `kind` is open, won or lost.

    `card_limit` is how many cards the current revision lets stand in it, None for any number.
    """

    __tablename__ = "stages"
    __table_args__ = (
        UniqueConstraint("pipeline_id", "key"),
        CheckConstraint("kind in ('open','won','lost')", name="kind"),
        CheckConstraint("card_limit > 0", name="card_limit"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipelines.id"))
    key: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="open")
    position: Mapped[int]
    card_limit: Mapped[int | None]
    limit_is_hard: Mapped[bool] = mapped_column(default=False, server_default=false())
    retired_at: Mapped[datetime | None]
