"""Reading views."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import bindparam, func, or_, select

from lifecycle.core.db import db
from lifecycle.records.people.models import User
from lifecycle.records.views.models import SavedView

# Every page of a board asks this, so it is built once.
_VIEWS = (
    select(SavedView, User.name)
    .join(User, User.id == SavedView.owner_id)
    .where(
        SavedView.pipeline_id == bindparam("pipeline"),
        or_(SavedView.is_shared, SavedView.owner_id == bindparam("reader")),
    )
    .order_by(func.lower(SavedView.name), SavedView.id)
)


def list_views(pipeline_id: int, reader: uuid.UUID | None) -> Sequence[tuple[SavedView, str]]:
    """Return a board's shared views and the reader's own, by name, each with its owner's name. One query."""
    rows = db.session.execute(_VIEWS, {"pipeline": pipeline_id, "reader": reader})
    return [(view, owner) for view, owner in rows]
