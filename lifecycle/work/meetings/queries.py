"""Reading meetings, for many cards at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select

from lifecycle.core.db import among, db
from lifecycle.work.meetings.models import Meeting

# Every gate may ask this, so it is built once.
_MEETINGS = select(Meeting).where(among(Meeting.card_id)).order_by(Meeting.starts_at, Meeting.id)


def meetings_by_card(card_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Meeting]]:
    """Return every meeting of each card, by start; cards without any are left out. One query."""
    found: dict[uuid.UUID, list[Meeting]] = defaultdict(list)
    for meeting in db.session.scalars(_MEETINGS, {"ids": card_ids}):
        found[meeting.card_id].append(meeting)
    return found
