"""Meetings of a card."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class Meeting(Model):
    """A meeting about a card; `key` names the playbook's meeting it fulfils.

    `shared_at` is when its notes were sent to the client, who sees them on their page from then on.

    `agenda` is a list of {"topic", "minutes"}; attendees are names, ours and the client's apart.
    """

    __tablename__ = "meetings"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"), index=True)
    visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"))
    key: Mapped[str]
    title: Mapped[str]
    starts_at: Mapped[datetime]
    agenda: Mapped[list[Any]] = mapped_column(default=list)
    our_attendees: Mapped[list[Any]] = mapped_column(default=list)
    client_attendees: Mapped[list[Any]] = mapped_column(default=list)
    held_at: Mapped[datetime | None]
    notes: Mapped[str | None]
    decisions: Mapped[str | None]
    shared_at: Mapped[datetime | None]
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    cancelled_at: Mapped[datetime | None]
