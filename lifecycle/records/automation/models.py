"""Rule firings: each is one rule that one cause has set off, and what became of it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id

STATES = ("pending", "done", "failed", "cancelled")


class RuleFiring(Model):
    """One rule, set off by one cause: an event, or a moment (E12).

    Written in the transaction of its cause, performed after it, in one transaction of its own: what it did
    and that it is done commit together, so a rule acts once however often its performing is interrupted.

    `cause` is the event's id or the moment that set it off. `depth` counts the rules that led here, `root_id`
    is the first of them. `results` says what each action came to, for people.
    """

    __tablename__ = "rule_firings"
    __table_args__ = (
        UniqueConstraint("card_id", "rule_key", "cause"),
        Index("ix_rule_firings_pending", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index("ix_rule_firings_failed", "created_at", postgresql_where=text("state = 'failed'")),
        Index("ix_rule_firings_visit", "visit_id"),
        Index("ix_rule_firings_rule", "rule_key", "created_at"),
        Index("ix_rule_firings_root", "root_id", postgresql_where=text("root_id is not null")),
        CheckConstraint("state in (" + ",".join(f"'{state}'" for state in STATES) + ")", name="state"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("playbook_revisions.id"))
    rule_key: Mapped[str]
    cause: Mapped[str]
    event_kind: Mapped[str | None]
    event: Mapped[dict[str, Any]] = mapped_column(default=dict)
    actor_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    depth: Mapped[int] = mapped_column(default=0)
    root_id: Mapped[uuid.UUID | None]
    state: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    # Until then the move behind it can be taken back; messages wait for it.
    undo_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    results: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=now)
    done_at: Mapped[datetime | None]
    # Who looked at a failure and let it rest.
    dismissed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class ScheduledRun(Model):
    """That a rule with a schedule was looked at for one due time: a second scheduler finds it taken."""

    __tablename__ = "scheduled_runs"

    playbook_key: Mapped[str] = mapped_column(primary_key=True)
    rule_key: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    run_at: Mapped[datetime] = mapped_column(default=now)
