"""Putting notices into inboxes, in the transaction of what they are about."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db, insert_missing
from lifecycle.core.ids import new_id
from lifecycle.core.text import one_line
from lifecycle.records.inbox.models import Notice


def tell(
    user_ids: Iterable[uuid.UUID],
    *,
    title: str,
    link: str,
    cause: str,
    body: str | None = None,
    tone: str = "info",
    card_id: uuid.UUID | None = None,
    visit_id: int | None = None,
    shows_at: datetime | None = None,
) -> int:
    """Tell users something, each once for a cause; return how many were told now.

    Args:
        link: a path of ours, where to act.
        tone: info, alert or act.
        shows_at: hold it until then; until then it can be withdrawn with its move.
    """
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "user_id": user_id,
            "card_id": card_id,
            "visit_id": visit_id,
            "tone": tone,
            "title": one_line(title)[:300],
            "body": body,
            "link": link,
            "cause": f"{cause}/{user_id}",
            "created_at": now(),
            "shows_at": shows_at or now(),
        }
        for user_id in dict.fromkeys(user_ids)
    ]
    if not rows:
        return 0
    return insert_missing(Notice, rows, "cause")


def mark_read(user_id: uuid.UUID, notice_ids: Iterable[uuid.UUID] | None = None) -> None:
    """Mark a user's notices as read: these, or all that show."""
    query = sa.update(Notice).where(
        Notice.user_id == user_id, Notice.read_at.is_(None), Notice.shows_at <= now()
    )
    if notice_ids is not None:
        query = query.where(Notice.id.in_(list(notice_ids)))
    db.session.execute(query.values(read_at=now()))
