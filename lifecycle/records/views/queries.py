"""Reading views."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import func, or_, select

from lifecycle.core.db import db
from lifecycle.records.people.models import User
from lifecycle.records.views.models import SavedView


def list_views(pipeline_id: int, reader: uuid.UUID | None) -> Sequence[tuple[SavedView, str]]:
    """Return a board's shared views and the reader's own, by name, each with its owner's name. One query."""
    rows = db.session.execute(
        select(SavedView, User.name)
        .join(User, User.id == SavedView.owner_id)
        .where(
            SavedView.pipeline_id == pipeline_id,
            or_(SavedView.is_shared, SavedView.owner_id == reader),
        )
        .order_by(func.lower(SavedView.name), SavedView.id)
    )
    return [(view, owner) for view, owner in rows]
