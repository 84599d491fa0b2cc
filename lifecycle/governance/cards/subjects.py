"""Cards with all that governs them, for many cards in one query."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, exists, func, select
from sqlalchemy.orm import aliased

from lifecycle.core.clock import now
from lifecycle.core.db import among, db
from lifecycle.core.errors import NotFound
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import PipelineDef, PlaybookDef, StageDef
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.work.client_requests.models import ClientRequest

# A card, its account and open visit, when its stay began, the keys of its pipeline and stage, and whether
# something is asked of its client.
Cards = Select[Card, Account, StageVisit, datetime, str, str, bool]
_NO_CARD = "There is no such card. It may have been withdrawn with its import."
_HOLD = (
    select(Card.revision_id).where(Card.id == bindparam("id"), Card.withdrawn_at.is_(None)).with_for_update()
)


@dataclass(frozen=True)
class Entrance:
    """A stage that a card is about to enter, by its row: `limit` is how many cards it may hold, if any."""

    stage_id: int
    limit: int | None


def get_subject(card_id: uuid.UUID, at: datetime | None = None) -> Subject:
    """Return a card with its account, open visit and playbook.

    Raises:
        NotFound: there is no such card, or its import was withdrawn.
    """
    return _one(_card(), card_id, at)


def lock_subject(card_id: uuid.UUID, *, writes_account: bool | Callable[[PlaybookDef], bool]) -> Subject:
    """Return the same, holding the card until the transaction ends, as the database has it now.

    Whatever a gate reads of a card is only written under this lock, so a gate that passes under it is
    still true at commit. The account is held against change; its other cards may move meanwhile, unless
    this transaction is going to write the account. That has to be said at once, or of the card's playbook
    once the card is held: two moves that hold the account against change and then both write it would
    wait for each other.

    Raises:
        NotFound: as `get_subject`.
    """
    playbook = _hold(card_id)
    will_write = writes_account if isinstance(writes_account, bool) else writes_account(playbook)
    return _one(_card_and_account_held(for_writing=will_write), card_id, None)


def lock_to_enter(
    card_id: uuid.UUID, stage_key: str, *, writes_account: Callable[[PlaybookDef], bool]
) -> tuple[Subject, Entrance | None]:
    """Return the same as `lock_subject`, and a stage of the card's pipeline; None if it has no such stage.

    Raises:
        NotFound: as `get_subject`.
    """
    playbook = _hold(card_id)
    # The key comes from outside; the database is asked for one that the playbook has, and for nothing else.
    is_known = any(pipeline.find_stage(stage_key) for pipeline in playbook.pipelines)
    query = _card_held_and_entrance(for_writing=writes_account(playbook))
    row = db.session.execute(query, {"id": card_id, "stage": stage_key if is_known else None}).one_or_none()
    if row is None:
        raise NotFound(_NO_CARD)
    card, account, visit, began_at, pipeline, stage, has_requests, stage_id, limit = row
    subject = _subject(card, account, visit, began_at, pipeline, stage, has_requests, now())
    return subject, Entrance(stage_id, limit) if stage_id is not None else None


def _hold(card_id: uuid.UUID) -> PlaybookDef:
    """Hold the card, and return its playbook."""
    # The card first and alone: its open visit must be read after the lock was won.
    revision_id = db.session.scalar(_HOLD, {"id": card_id})
    if revision_id is None:
        raise NotFound(_NO_CARD)
    return of_revision(revision_id)


def subjects_of(card_ids: Iterable[uuid.UUID]) -> list[Subject]:
    """Return the subjects of these cards, in no order; those that do not exist are left out. One query."""
    at = now()
    rows = db.session.execute(_cards_named(), {"ids": list(card_ids)})
    return [_subject(*row, at) for row in rows]


def _cards() -> Cards:
    # After an undo the stay goes on that a mistaken move had interrupted.
    continued = aliased(StageVisit)
    began_at = func.coalesce(continued.entered_at, StageVisit.entered_at)
    asked = exists().where(ClientRequest.card_id == Card.id, ClientRequest.closed_at.is_(None))
    return (
        select(Card, Account, StageVisit, began_at, Pipeline.key, Stage.key, asked)
        .join(Account, Account.id == Card.account_id)
        .join(StageVisit, StageVisit.id == Card.visit_id)
        .outerjoin(continued, continued.id == StageVisit.continues_visit_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .join(Stage, Stage.id == Card.stage_id)
        .where(Card.withdrawn_at.is_(None))
        .execution_options(populate_existing=True)
    )


# Built once for each purpose: building one takes longer than asking it.


@functools.cache
def _cards_named() -> Cards:
    return _cards().where(among(Card.id))


@functools.cache
def _card() -> Cards:
    return _cards().where(Card.id == bindparam("id"))


@functools.cache
def _card_and_account_held(*, for_writing: bool) -> Cards:
    return _card().with_for_update(of=Account, read=not for_writing, key_share=for_writing)


@functools.cache
def _card_held_and_entrance(*, for_writing: bool) -> Select[*tuple[Any, ...]]:
    entered = aliased(Stage)
    is_it = and_(entered.pipeline_id == Card.pipeline_id, entered.key == bindparam("stage"))
    query = _card_and_account_held(for_writing=for_writing)
    return query.add_columns(entered.id, entered.card_limit).outerjoin(entered, is_it)


def _one(query: Cards, card_id: uuid.UUID, at: datetime | None) -> Subject:
    row = db.session.execute(query, {"id": card_id}).one_or_none()
    if row is None:
        raise NotFound(_NO_CARD)
    return _subject(*row, at or now())


def _subject(
    card: Card,
    account: Account,
    visit: StageVisit,
    began_at: datetime,
    pipeline_key: str,
    stage_key: str,
    has_requests: bool,
    at: datetime,
) -> Subject:
    playbook = of_revision(card.revision_id)
    pipeline = playbook.pipeline(pipeline_key)
    stage = stage_of(pipeline, stage_key)
    return Subject(
        card, account, visit, playbook, pipeline, stage, at, began_at=began_at, has_requests=has_requests
    )


def stage_of(pipeline: PipelineDef, key: str) -> StageDef:
    """Return the stage; a card may stand in one that its revision no longer has, which then has no rules."""
    found = pipeline.find_stage(key)
    return found or StageDef(key=key, name=key.replace("_", " ").capitalize(), position=len(pipeline.stages))


def forward_target(pipeline: PipelineDef, stage: StageDef) -> StageDef | None:
    """Return the stage that forward leads to from here; None at the end of the path."""
    for index, candidate in enumerate(pipeline.path):
        if candidate.key == stage.key and index + 1 < len(pipeline.path):
            return pipeline.path[index + 1]
    return None
