"""What open boards poll for."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa

from lifecycle.core.db import db, transaction
from lifecycle.records.cards.models import BoardChange


def prune_changes() -> int:
    """Delete changes that every open board has long seen; return how many."""
    with transaction():
        # The database's clock wrote the times, so it says what is old.
        hour_ago = sa.func.clock_timestamp() - sa.text("interval '1 hour'")
        gone = db.session.execute(sa.delete(BoardChange).where(BoardChange.at < hour_ago))
    return cast(sa.CursorResult[Any], gone).rowcount
