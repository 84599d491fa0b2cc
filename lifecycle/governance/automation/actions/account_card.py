"""`account_card`: bring the account's one card on a board to a stage; open it if there is none."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import Refusal
from lifecycle.governance.automation.actions.base import CHANNEL, CannotDo, Performing
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.moves.assign import assignee_of
from lifecycle.governance.moves.create import create_card, get_pipeline
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Moved
from lifecycle.governance.playbooks.library import current
from lifecycle.governance.rules.actions import AccountCardParams
from lifecycle.records.cards.models import Card
from lifecycle.records.inbox.record import tell
from lifecycle.records.playbooks.models import Stage


def perform(doing: Performing, params: AccountCardParams) -> str:
    """Open or move the account's card; a gate in its way is told to whoever owns it."""
    try:
        pipeline = get_pipeline(params.on)
    except Refusal as refusal:
        raise CannotDo(f"{refusal.sentence} It is meant to be {params.on}.") from None
    definition = current(params.on).pipeline(pipeline.key)
    target = definition.find_stage(params.stage)
    if target is None:
        raise CannotDo(f"{definition.name} has no stage '{params.stage}'.")
    card_id = _account_card(doing.subject.account.id, pipeline.id) or _opened(
        doing, params.on, definition.department
    )
    standing = get_subject(card_id)
    if not standing.stage.is_open or standing.stage.position >= target.position:
        return f"The account's card on {definition.name} is in {standing.stage.name}."
    outcome = move_card(
        card_id, target.key, actor=doing.actor, channel=CHANNEL, seen_visit=standing.card.visit_id
    )
    if isinstance(outcome, Moved):
        return f"The account's card on {definition.name} moved to {target.name}."
    sentence = " ".join(outcome.sentences) if isinstance(outcome, Blocked) else outcome.sentence
    tell(
        [standing.card.owner_id],
        title=f"{standing.account.name}: {standing.card.title} should be in {target.name} by now",
        body=sentence,
        link=f"/cards/{card_id}/gate?to={target.key}",
        cause=f"{doing.cause}/blocked",
        tone="act",
        card_id=card_id,
    )
    raise CannotDo(f"The account's card could not move to {target.name}: {sentence}")


def _account_card(account_id: uuid.UUID, pipeline_id: int) -> uuid.UUID | None:
    """Return the account's card on a board: the open one, else the latest."""
    return db.session.scalar(
        sa.select(Card.id)
        .join(Stage, Stage.id == Card.stage_id)
        .where(Card.account_id == account_id, Card.pipeline_id == pipeline_id, Card.archived_at.is_(None))
        .order_by((Stage.kind == "open").desc(), Card.created_at.desc())
        .limit(1)
    )


def _opened(doing: Performing, slug: str, department: str) -> uuid.UUID:
    card = doing.subject.card
    made = create_card(
        slug,
        actor=doing.actor,
        channel=CHANNEL,
        account_id=doing.subject.account.id,
        title=doing.subject.account.name,
        value_amount=card.value_amount,
        value_currency=card.value_currency,
        contact_id=card.contact_id,
        fallback_owner_id=assignee_of(department, card.owner_id),
        journey_id=card.journey_id,
    )
    return made.id
