"""Reading attachments, for many cards at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select

from lifecycle.core.db import among, db
from lifecycle.work.attachments.models import Attachment

# Every gate may ask this, so it is built once.
_ATTACHED = (
    select(Attachment)
    .where(among(Attachment.card_id), Attachment.withdrawn_at.is_(None))
    .order_by(Attachment.added_at, Attachment.id)
)


def attachments_by_card(card_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Attachment]]:
    """Return each card's attachments that are not withdrawn, oldest first. One query."""
    found: dict[uuid.UUID, list[Attachment]] = defaultdict(list)
    for item in db.session.scalars(_ATTACHED, {"ids": card_ids}):
        found[item.card_id].append(item)
    return found
