"""All client gates of every customer side by side: how far each has come with each of them (E8)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.governance.language.model import PlaybookDef
from lifecycle.insight.client_gates import STATUS_WORDS
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientRequest

PAGE: Final = 50


@dataclass(frozen=True)
class GateCell:
    """Where one gate of one customer stands: its latest request."""

    id: uuid.UUID
    words: str
    tone: str
    due_at: datetime
    answered_at: datetime | None
    is_late: bool
    is_stuck: bool


@dataclass(frozen=True)
class GateRow:
    """One customer's travel with its gates, by the key of what is asked; a gate not come to has no cell."""

    account_id: uuid.UUID
    account: str
    title: str
    cells: dict[str, GateCell]


@dataclass(frozen=True)
class GateOverview:
    """A playbook's gates in the order of its path, as (key, name), and a page of customers."""

    gates: list[tuple[str, str]]
    rows: list[GateRow]
    count: int


def gates_of(playbook: PlaybookDef) -> list[tuple[str, str]]:
    """Return what the client gates of a playbook ask for, in order, with the stages' names."""
    found: dict[str, str] = {}
    for pipeline in playbook.pipelines:
        for stage in pipeline.stages:
            if stage.client_gate is not None:
                found.setdefault(stage.client_gate.asks, stage.name)
    return list(found.items())


def read_gate_overview(playbook: PlaybookDef, at: datetime, page: int = 1) -> GateOverview:
    """Return the customers who have come to a gate, those with the earliest open one first. Two queries."""
    gates = gates_of(playbook)
    of_gates = (
        ClientRequest.key.in_([key for key, _ in gates]),
        Card.withdrawn_at.is_(None),
        Card.archived_at.is_(None),
        Pipeline.playbook_key == playbook.key,
    )
    mine = (
        sa.select(
            Card.journey_id,
            sa.func.min(ClientRequest.due_at)
            .filter(ClientRequest.closed_at.is_(None), ClientRequest.status != "accepted")
            .label("next_due"),
            sa.func.max(ClientRequest.created_at).label("latest"),
            sa.func.count().over().label("in_all"),
        )
        .join(Card, Card.id == ClientRequest.card_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(*of_gates)
        .group_by(Card.journey_id)
    )
    chosen = (
        mine.order_by(
            sa.literal_column("next_due").nulls_last(), sa.literal_column("latest").desc(), Card.journey_id
        )
        .limit(PAGE)
        .offset((page - 1) * PAGE)
        .cte("chosen")
    )
    rows = db.session.execute(
        sa.select(
            ClientRequest,
            Card.journey_id,
            Card.title,
            Account.id.label("account_id"),
            Account.name,
            chosen.c.in_all,
        )
        .join(Card, Card.id == ClientRequest.card_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .join(Account, Account.id == Card.account_id)
        .join(chosen, chosen.c.journey_id == Card.journey_id)
        .where(*of_gates)
        .order_by(
            chosen.c.next_due.nulls_last(), chosen.c.latest.desc(), Card.journey_id, ClientRequest.created_at
        )
    ).all()
    found: dict[uuid.UUID, GateRow] = {}
    for request, journey_id, title, account_id, account, _ in rows:
        row = found.setdefault(journey_id, GateRow(account_id, account, title, {}))
        # One that was closed unanswered gives way to what was asked before or after it.
        if request.closed_at is None or request.status == "accepted":
            row.cells[request.key] = _cell(request, at)
    return GateOverview(gates, list(found.values()), rows[0].in_all if rows else 0)


def _cell(request: ClientRequest, at: datetime) -> GateCell:
    words, tone = STATUS_WORDS[request.status]
    waits = request.status in WAITING_STATUSES
    return GateCell(
        id=request.id,
        words=words,
        tone=tone,
        due_at=request.due_at,
        answered_at=request.answered_at,
        is_late=waits and request.due_at < at,
        is_stuck=waits and request.stuck_reason is not None,
    )
