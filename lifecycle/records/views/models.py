"""A board's filter, kept under a name."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class SavedView(Model):
    """A filter of a board or its list, for its owner alone or for everybody.

    `query` is the query part of the address, cleaned by whoever reads addresses; `owner=me` in it is whoever
    opens the view. A name is its owner's once a board, and everybody's once a board, whatever its case.
    """

    __tablename__ = "saved_views"
    __table_args__ = (
        Index(
            "uq_saved_views_own",
            "pipeline_id",
            "owner_id",
            func.lower(text("name")),
            unique=True,
            postgresql_where=text("not is_shared"),
        ),
        Index(
            "uq_saved_views_shared",
            "pipeline_id",
            func.lower(text("name")),
            unique=True,
            postgresql_where=text("is_shared"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipelines.id"))
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    query: Mapped[str]
    is_list: Mapped[bool]
    is_shared: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=now)
