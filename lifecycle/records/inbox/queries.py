"""Reading a user's inbox."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.inbox.models import Notice

PAGE = 50
# Every page asks this, so it is built once.
_UNREAD = sa.select(sa.func.count()).where(
    Notice.user_id == sa.bindparam("user"),
    Notice.read_at.is_(None),
    Notice.withdrawn_at.is_(None),
    Notice.shows_at <= sa.bindparam("at"),
)


def count_unread(user_id: uuid.UUID) -> int:
    """Return how many notices a user has not read. One query, from an index."""
    return db.session.scalar(_UNREAD, {"user": user_id, "at": now()}) or 0


def list_notices(
    user_id: uuid.UUID, *, unread_only: bool = False, page: int = 1
) -> tuple[Sequence[Notice], bool]:
    """Return a page of a user's notices, the newest first, and whether there are more."""
    query = sa.select(Notice).where(
        Notice.user_id == user_id, Notice.withdrawn_at.is_(None), Notice.shows_at <= now()
    )
    if unread_only:
        query = query.where(Notice.read_at.is_(None))
    query = query.order_by(Notice.shows_at.desc(), Notice.id.desc())
    rows = db.session.scalars(query.limit(PAGE + 1).offset((page - 1) * PAGE)).all()
    return rows[:PAGE], len(rows) > PAGE
