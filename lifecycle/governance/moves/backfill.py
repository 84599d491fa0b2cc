"""Cards that come with a past: created in bulk, with the stage visits they had elsewhere.

A new card only: one that is on the board already changes through `move_card`. No rule runs, nobody is told,
and no gate is asked, because all of it happened before. Each visit is marked as imported.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

from sqlalchemy import select

from lifecycle.core.copying import copy_rows
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.core.ids import new_id
from lifecycle.governance.cards.limits import enter_many
from lifecycle.governance.cards.summary import refresh_summaries
from lifecycle.governance.language.model import PipelineDef, PlaybookDef, StageDef
from lifecycle.governance.moves.create import current_revision_id, get_pipeline
from lifecycle.governance.moves.order import board_order
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.sla.clock import deadline, due_after, split_time
from lifecycle.records.cards.models import BoardChange, Card, StageVisit
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.work.tasks.models import Task

EDGE = "imported"
EDGE_UNDATED = "imported_undated"
"""How a visit was entered whose true date nobody knows: it counts, and says nothing about velocity."""


@dataclass(frozen=True)
class PastVisit:
    """A stage that a card was in, and when it entered."""

    stage: str
    entered_at: datetime


@dataclass(frozen=True)
class PastCard:
    """A card as it comes from elsewhere; its values have been read and are in stored form.

    `visits` are in order, the last is where it stands. `is_undated`: there is one visit, and its date is the
    import's for want of a better. `evidence` is kept with the card's first event.
    """

    account_id: uuid.UUID
    title: str
    owner_id: uuid.UUID
    external_id: str
    visits: tuple[PastVisit, ...]
    is_undated: bool = False
    contact_id: uuid.UUID | None = None
    value_amount: Decimal | None = None
    value_currency: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Board:
    """What backfilling needs to know of a pipeline, read once for many batches."""

    row: Pipeline
    revision_id: int
    playbook: PlaybookDef
    definition: PipelineDef
    stage_ids: Mapping[str, int]


def get_board(slug: str) -> Board:
    """Return a pipeline as new cards meet it.

    Raises:
        NotFound: no published playbook has it.
    """
    row = get_pipeline(slug)
    revision_id = current_revision_id(row)
    playbook = of_revision(revision_id)
    stages = db.session.scalars(select(Stage).where(Stage.pipeline_id == row.id))
    return Board(
        row, revision_id, playbook, playbook.pipeline(row.key), {stage.key: stage.id for stage in stages}
    )


def backfill_visits(
    board: Board,
    cards: Sequence[PastCard],
    *,
    actor: Actor,
    import_id: int,
    at: datetime,
    clock: Literal["import", "entry"] = "import",
) -> list[uuid.UUID]:
    """Create the cards with their visits in the open transaction, and return their ids in order.

    Args:
        at: the moment of the import: no visit may be later.
        clock: the SLA, tasks and next action of an open card count from the import, or from its entry.

    Raises:
        NotPermitted, Invalid (visits out of order, or in the future), StageFull.
    """
    require(actor, "imports.run")
    for card in cards:
        _check_order(card, at)
        _check_entrance(board, card)
    enter_many(board.stage_ids, [card.visits[-1].stage for card in cards])
    ids = [new_id() for _ in cards]
    visit_rows = [
        row
        for card_id, card in zip(ids, cards, strict=True)
        for row in _visit_rows(board, card_id, card, actor, at, clock)
    ]
    copy_rows(StageVisit, visit_rows)
    open_visits = _open_visits(ids)
    rows = [
        _card_row(board, card_id, card, open_visits[card_id], import_id, at, clock)
        for card_id, card in zip(ids, cards, strict=True)
    ]
    copy_rows(Card, rows)
    tasks = [
        task
        for card, row in zip(cards, rows, strict=True)
        for task in _task_rows(board, board.definition.stage(card.visits[-1].stage), row, at)
    ]
    copy_rows(Task, tasks)
    refresh_summaries(ids)
    for card_id, card in zip(ids, cards, strict=True):
        _record(board, card_id, card, import_id, actor)
    if ids:
        # One for the batch: open boards then ask for their totals, not for hundreds of faces.
        db.session.add(BoardChange(pipeline_id=board.row.id, card_id=ids[-1], actor_id=actor.user_id))
    return ids


def _open_visits(card_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    query = select(StageVisit.card_id, StageVisit.id)
    rows = db.session.execute(query.where(StageVisit.card_id.in_(card_ids), StageVisit.left_at.is_(None)))
    return dict(rows.all())


def needs_client_to_enter(stage: StageDef) -> bool:
    """Say whether only the client's own answer leads into a stage (W16): an import has none to show."""
    return any(check.is_clients_alone for check in stage.enter)


def _check_entrance(board: Board, card: PastCard) -> None:
    stage = board.definition.stage(card.visits[-1].stage)
    if needs_client_to_enter(stage):
        raise Invalid(
            f"{stage.name} is entered with the client's approval only, so nothing can be imported into it. "
            "Import the card into the stage before it."
        )


def _check_order(card: PastCard, at: datetime) -> None:
    if not card.visits:
        raise Invalid("A card needs at least the stage it stands in.")
    if card.visits[-1].entered_at > at:
        raise Invalid("A stage cannot have been entered in the future.")
    if any(later.entered_at < earlier.entered_at for earlier, later in pairwise(card.visits)):
        raise Invalid("The stages were not entered in this order.")


def _visit_rows(
    board: Board, card_id: uuid.UUID, card: PastCard, actor: Actor, at: datetime, clock: str
) -> list[dict[str, Any]]:
    rows = []
    leavings: list[datetime | None] = [visit.entered_at for visit in card.visits[1:]]
    for number, (visit, left_at) in enumerate(zip(card.visits, [*leavings, None], strict=True), start=1):
        stage = board.definition.stage(visit.stage)
        starts_at = visit.entered_at if left_at is not None or clock == "entry" else at
        ours = None
        if left_at is not None:
            ours = _business_seconds(
                board.revision_id, board.definition.key, visit.stage, visit.entered_at, left_at
            )
        rows.append(
            {
                "card_id": card_id,
                "number": number,
                "stage_id": board.stage_ids[visit.stage],
                "revision_id": board.revision_id,
                "owner_id": card.owner_id,
                "department_key": stage.department or board.definition.department,
                "entered_at": visit.entered_at,
                "entered_by": actor.user_id,
                "entered_channel": "import",
                "entered_by_edge": EDGE_UNDATED if card.is_undated else EDGE,
                "answers": {},
                "is_imported": True,
                "sla_due_at": deadline(board.playbook, stage, starts_at),
                "left_at": left_at,
                "left_by": actor.user_id if left_at is not None else None,
                "left_channel": "import" if left_at is not None else None,
                "our_seconds": ours,
                "client_seconds": 0 if ours is not None else None,
            }
        )
    return rows


@lru_cache(maxsize=4096)
def _business_seconds(revision_id: int, pipeline: str, stage: str, start: datetime, end: datetime) -> int:
    playbook = of_revision(revision_id)
    return split_time(playbook, playbook.pipeline(pipeline).stage(stage), start, end, [])[0]


def _card_row(
    board: Board,
    card_id: uuid.UUID,
    card: PastCard,
    visit_id: int,
    import_id: int,
    at: datetime,
    clock: str,
) -> dict[str, Any]:
    stands = card.visits[-1]
    stage = board.definition.stage(stands.stage)
    starts_at = stands.entered_at if clock == "entry" else at
    due_at = deadline(board.playbook, stage, starts_at)
    action = stage.next_action if stage.is_open else None
    return {
        "id": card_id,
        "journey_id": card_id,
        "pipeline_id": board.row.id,
        "stage_id": board.stage_ids[stands.stage],
        "visit_id": visit_id,
        "revision_id": board.revision_id,
        "account_id": card.account_id,
        "contact_id": card.contact_id,
        "title": card.title,
        "value_amount": card.value_amount,
        "value_currency": card.value_currency,
        "fields": dict(card.fields),
        "owner_id": card.owner_id,
        "department_key": stage.department or board.definition.department,
        "next_action": action.text if action else None,
        "next_action_due_at": due_after(board.playbook, stage, starts_at, action.due) if action else None,
        "next_action_assignee_id": card.owner_id if action else None,
        "sla_due_at": due_at,
        "is_paused": False,
        "waiting_on_client": False,
        "gate_passed": 0,
        "gate_total": 0,
        "board_order": board_order(stage, due_at, stands.entered_at),
        "external_id": card.external_id,
        "import_id": import_id,
        "version": 1,
        "created_at": at,
        "updated_at": at,
    }


def _task_rows(board: Board, stage: StageDef, row: Mapping[str, Any], at: datetime) -> list[dict[str, Any]]:
    # Made for open stages only, since their gate asks for them; due as if the card had come today.
    return [
        {
            "id": new_id(),
            "card_id": row["id"],
            "visit_id": row["visit_id"],
            "key": task.key,
            "title": task.title,
            "assignee_id": row["owner_id"],
            "due_at": due_after(board.playbook, stage, at, task.due),
            "created_at": at,
        }
        for task in stage.tasks
        if stage.is_open
    ]


def _record(board: Board, card_id: uuid.UUID, card: PastCard, import_id: int, actor: Actor) -> None:
    record_event(
        "card.imported",
        chain=account_chain(card.account_id),
        actor=actor,
        channel="import",
        account_id=card.account_id,
        card_id=card_id,
        data={
            "title": card.title,
            "stage": card.visits[-1].stage,
            "import": import_id,
            "pipeline": board.definition.slug,
            "revision": board.revision_id,
            "visits": [{"stage": visit.stage, "entered_at": visit.entered_at} for visit in card.visits],
            "undated": card.is_undated,
            **card.evidence,
        },
    )
