"""Reading handoffs, for many cards at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import or_, select

from lifecycle.core.db import among, db
from lifecycle.work.handoffs.models import Handoff

# Every gate may ask this, so it is built once.
_HANDOFFS = (
    select(Handoff)
    .where(or_(among(Handoff.from_card_id), among(Handoff.to_card_id)), Handoff.state != "withdrawn")
    .order_by(Handoff.offered_at, Handoff.id)
    .execution_options(populate_existing=True)
)


def handoffs_by_card(card_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Handoff]]:
    """Return the handoffs each card gave or received, oldest first; withdrawn ones left out. One query."""
    found: dict[uuid.UUID, list[Handoff]] = defaultdict(list)
    wanted = set(card_ids)
    for handoff in db.session.scalars(_HANDOFFS, {"ids": card_ids}):
        for card_id in {handoff.from_card_id, handoff.to_card_id} & wanted:
            found[card_id].append(handoff)
    return found
