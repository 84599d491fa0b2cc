"""Cards, stage visits, and what belongs to a visit: gate reports, waivers, pauses.

The database itself holds the invariants (migrations/sql/invariants.sql): a card's stage is its open
visit's, visits form a chain, a finished visit never changes.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id

_ON_BOARD = text("archived_at is null")


def _own_id(context: DefaultExecutionContext) -> uuid.UUID:
    """Return the card's own id: a journey begins with it unless a handoff opened it."""
    own: uuid.UUID = context.get_current_parameters()["id"]  # type: ignore[no-untyped-call]
    return own


class Card(Model):
    """One piece of work of one account in one pipeline, in exactly one stage.

    `sla_due_at`, `is_paused` and `waiting_on_client` mirror the open visit; `gate_passed` of `gate_total`
    is a stored summary for the card's face, never what a move decides on.
    """

    __tablename__ = "cards"
    __table_args__ = (
        Index("ix_cards_column", "stage_id", "board_order", "id", postgresql_where=_ON_BOARD),
        Index(
            "ix_cards_totals",
            "pipeline_id",
            "stage_id",
            postgresql_include=["value_amount", "value_currency", "sla_due_at", "is_paused"],
            postgresql_where=_ON_BOARD,
        ),
        # The usual order of a list (insight/boards/order.py).
        Index(
            "ix_cards_due",
            "pipeline_id",
            text("coalesce(sla_due_at, '9999-12-31 00:00:00+00'::timestamptz)"),
            "id",
            postgresql_where=_ON_BOARD,
        ),
        Index(
            "ix_cards_waiting",
            "stage_id",
            postgresql_where=text("waiting_on_client and archived_at is null"),
        ),
        Index("ix_cards_account", "account_id"),
        Index("ix_cards_owner", "owner_id", postgresql_where=_ON_BOARD),
        Index("ix_cards_import", "import_id", postgresql_where=text("import_id is not null")),
        Index(
            "uq_cards_external_id",
            "pipeline_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id is not null and withdrawn_at is null"),
        ),
        Index("ix_cards_search", text("lifecycle_fold(title) gin_trgm_ops"), postgresql_using="gin"),
        CheckConstraint("(value_amount is null) = (value_currency is null)", name="value_has_currency"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipelines.id"))
    stage_id: Mapped[int] = mapped_column(ForeignKey("stages.id"))
    visit_id: Mapped[int] = mapped_column(
        ForeignKey(
            "stage_visits.id", use_alter=True, name="fk_cards_visit", deferrable=True, initially="DEFERRED"
        )
    )
    revision_id: Mapped[int] = mapped_column(ForeignKey("playbook_revisions.id"))
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    contact_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("contacts.id"))
    title: Mapped[str]
    value_amount: Mapped[Decimal | None]
    value_currency: Mapped[str | None]
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)

    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    department_key: Mapped[str] = mapped_column(ForeignKey("departments.key"))

    next_action: Mapped[str | None]
    next_action_due_at: Mapped[datetime | None]
    next_action_assignee_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))

    sla_due_at: Mapped[datetime | None]
    is_paused: Mapped[bool] = mapped_column(default=False)
    waiting_on_client: Mapped[bool] = mapped_column(default=False)
    # The status of the request to the client that the stage asks for, while there is one.
    client_status: Mapped[str | None]
    gate_passed: Mapped[int] = mapped_column(default=0)
    gate_total: Mapped[int] = mapped_column(default=0)
    # Ascending order within a column: the SLA deadline in epoch seconds, or minus the closing time.
    board_order: Mapped[int] = mapped_column(default=0)

    # The first card of the account's travel: a card that a handoff opens has that of the one before it.
    journey_id: Mapped[uuid.UUID] = mapped_column(default=_own_id, index=True)

    external_id: Mapped[str | None]
    import_id: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    archived_at: Mapped[datetime | None]
    # Set with archived_at when an import was withdrawn: out of figures too.
    withdrawn_at: Mapped[datetime | None]


class StageVisit(Model):
    """The stay of a card in a stage. Opened and finished by the engine only; never edited afterwards."""

    __tablename__ = "stage_visits"
    __table_args__ = (
        UniqueConstraint("card_id", "number"),
        Index("uq_stage_visits_open", "card_id", unique=True, postgresql_where=text("left_at is null")),
        Index("ix_stage_visits_stage", "stage_id", "entered_at"),
        # The few that an undo opened: reports join them on, and leave out the visit before each.
        Index(
            "ix_stage_visits_continued",
            "continues_visit_id",
            "number",
            postgresql_where=text("continues_visit_id is not null"),
        ),
        CheckConstraint("left_at is null or left_at >= entered_at", name="left_after_entered"),
        CheckConstraint(
            "number = 1 or is_imported or gate_report_id is not null or continues_visit_id is not null",
            name="entered_through_a_gate",
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    # Deferred: a card and its first visit name each other, and the visit is written first.
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id", deferrable=True, initially="DEFERRED"))
    number: Mapped[int]
    stage_id: Mapped[int] = mapped_column(ForeignKey("stages.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("playbook_revisions.id"))
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    department_key: Mapped[str] = mapped_column(ForeignKey("departments.key"))

    entered_at: Mapped[datetime]
    entered_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    entered_channel: Mapped[str]
    # How it came in: created, imported, undo, or the edge's kind (forward, revision, close, ...).
    entered_by_edge: Mapped[str]
    entered_reason: Mapped[str | None]
    # Answers to the questions the stage asks on entry (E7).
    answers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    gate_report_id: Mapped[int | None] = mapped_column(
        ForeignKey("gate_reports.id", use_alter=True, name="fk_stage_visits_gate_report"), unique=True
    )
    # An undo opens a third visit that continues the first; reports skip the pair (E23).
    continues_visit_id: Mapped[int | None] = mapped_column(ForeignKey("stage_visits.id"))
    is_imported: Mapped[bool] = mapped_column(default=False)

    sla_due_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    left_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    left_channel: Mapped[str | None]
    # Seconds of business time, split by whose time it was; set when the visit finishes (E11).
    our_seconds: Mapped[int | None]
    client_seconds: Mapped[int | None]


class GateReport(Model):
    """One evaluated attempt to move: what was checked, when, and the outcome. Append-only.

    `outcome` is passed or blocked; a blocked attempt writes nothing else about the card.
    """

    __tablename__ = "gate_reports"
    __table_args__ = (
        Index("ix_gate_reports_card", "card_id", "at"),
        CheckConstraint("outcome in ('passed','blocked')", name="outcome"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    from_visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"))
    to_stage_id: Mapped[int] = mapped_column(ForeignKey("stages.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("playbook_revisions.id"))
    actor_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    channel: Mapped[str]
    edge_kind: Mapped[str | None]
    outcome: Mapped[str]
    results: Mapped[list[Any]]


class Waiver(Model):
    """A recorded permission to pass one check, good for one visit of one card."""

    __tablename__ = "waivers"
    __table_args__ = (
        Index(
            "uq_waivers_check",
            "card_id",
            "visit_id",
            "check_key",
            unique=True,
            postgresql_where=text("withdrawn_at is null"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"))
    visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"))
    check_key: Mapped[str]
    reason: Mapped[str]
    given_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    given_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]


class SlaPause(Model):
    """A span in which a visit's clock stood still because the client's answer was awaited."""

    __tablename__ = "sla_pauses"
    __table_args__ = (
        Index("uq_sla_pauses_open", "visit_id", unique=True, postgresql_where=text("ended_at is null")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    visit_id: Mapped[int] = mapped_column(ForeignKey("stage_visits.id"), index=True)
    started_at: Mapped[datetime] = mapped_column(default=now)
    started_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class Comment(Model):
    """What somebody says about a card; plain text."""

    __tablename__ = "comments"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    card_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cards.id"), index=True)
    author_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class BoardChange(Model):
    """A card's face changed: what open boards poll for. Rows are pruned after an hour."""

    __tablename__ = "board_changes"
    __table_args__ = (Index("ix_board_changes_at", "at"), Index("ix_board_changes_xid", "xid"))

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int]
    card_id: Mapped[uuid.UUID]
    actor_id: Mapped[uuid.UUID | None]
    # The database's own clock at the insert, so that two hosts agree on the order.
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    # The transaction, so that a snapshot says whether it has been seen (insight/boards/changes.py).
    xid: Mapped[int] = mapped_column(server_default=text("pg_current_xact_id()::text::bigint"))


class CollapsedColumn(Model):
    """A column that a user keeps folded."""

    __tablename__ = "collapsed_columns"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    stage_id: Mapped[int] = mapped_column(ForeignKey("stages.id"), primary_key=True)
    is_collapsed: Mapped[bool]
