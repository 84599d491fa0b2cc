"""Where a card stands in its column."""

from __future__ import annotations

from datetime import datetime

from lifecycle.governance.language.model import StageDef

# Cards without a deadline follow those with one, oldest first.
_WITHOUT_DEADLINE = 10**12


def board_order(stage: StageDef, due_at: datetime | None, entered_at: datetime) -> int:
    """Return a number that sorts ascending: nearest deadline first; in a closed stage, newest first."""
    if not stage.is_open:
        return -int(entered_at.timestamp())
    if due_at is None:
        return _WITHOUT_DEADLINE + int(entered_at.timestamp())
    return int(due_at.timestamp())
