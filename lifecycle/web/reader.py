"""Who reads the page, as queries want to know it."""

from __future__ import annotations

import uuid
from zoneinfo import ZoneInfo

from flask_login import current_user

from lifecycle.core.clock import now
from lifecycle.insight.work.lines import Reader
from lifecycle.web.access import current_actor


def reader_id() -> uuid.UUID:
    """Return the logged-in user's id; only inside guarded routes."""
    user_id: uuid.UUID = current_user.id
    return user_id


def reader_zone() -> ZoneInfo:
    """Return the logged-in user's time zone."""
    return ZoneInfo(current_user.time_zone)


def current_reader() -> Reader:
    """Return who reads, where, and now, as the queues want to know it; only inside guarded routes."""
    return Reader(current_actor(), reader_id(), reader_zone(), now())
