"""Imports and the errors of their rows."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model

# draft: no map yet, or one that was not checked; checking and running: a job is at it.
STATES = ("draft", "checking", "checked", "running", "done", "failed", "withdrawn")


class CardImport(Model):
    """One file put on one board.

    `mapping` is the map file's content, `reading` what was found in the file (columns, samples, encoding),
    `forecast` the last dry run's figures and questions, `summary` the last real run's. `run_number` rises
    with every start, so that a run that was overtaken by another notices and stops.
    """

    __tablename__ = "card_imports"
    __table_args__ = (
        CheckConstraint("state in (" + ",".join(f"'{state}'" for state in STATES) + ")", name="state"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipelines.id"))
    file_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id"))
    file_name: Mapped[str]
    accounts_file_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("files.id"))
    accounts_file_name: Mapped[str | None]
    reading: Mapped[dict[str, Any]] = mapped_column(default=dict)
    mapping: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(default="draft")
    run_number: Mapped[int] = mapped_column(default=0)
    rows_total: Mapped[int] = mapped_column(default=0)
    rows_done: Mapped[int] = mapped_column(default=0)
    rows_refused: Mapped[int] = mapped_column(default=0)
    forecast: Mapped[dict[str, Any]] = mapped_column(default=dict)
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    failure: Mapped[str | None]
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    # The last sign of life of a job; an import whose job died can be started again.
    seen_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class ImportRowError(Model):
    """Why one row was refused: its number in the file (the header is 1), column, value and a sentence."""

    __tablename__ = "import_row_errors"
    __table_args__ = (Index("ix_import_row_errors_import", "import_id", "row_number"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("card_imports.id"))
    row_number: Mapped[int]
    column: Mapped[str | None]
    value: Mapped[str | None]
    sentence: Mapped[str]
