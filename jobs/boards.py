"""What open boards poll for, and the totals that they and the command center show."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.cards.flows import fold_flows
from lifecycle.records.cards.models import BoardChange
from lifecycle.records.cards.totals import fold_totals
from lifecycle.records.playbooks.models import Pipeline


def prune_changes() -> int:
    """Delete changes that every open board has long seen; return how many."""
    with transaction():
        # The database's clock wrote the times, so it says what is old.
        hour_ago = sa.func.clock_timestamp() - sa.text("interval '1 hour'")
        gone = db.session.execute(sa.delete(BoardChange).where(BoardChange.at < hour_ago))
    return cast(sa.CursorResult[Any], gone).rowcount


def fold_all_totals() -> None:
    """Fold every board's changes into its totals, each in a transaction of its own, and then the flows."""
    pipelines = db.session.scalars(sa.select(Pipeline.id)).all()
    db.session.rollback()
    for pipeline_id in pipelines:
        with transaction():
            fold_totals(pipeline_id, now())
    with transaction():
        fold_flows()
