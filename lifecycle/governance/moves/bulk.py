"""Moving many cards: one transaction per card, each with its own outcome (E5)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lifecycle.core.db import transaction
from lifecycle.core.errors import NotFound, Refusal
from lifecycle.governance.cards.edit import get_card
from lifecycle.governance.language.model import Question
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Moved, Stale
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can


@dataclass(frozen=True)
class CardToMove:
    """A card and the stage visit that was seen."""

    card_id: uuid.UUID
    seen_visit: int


@dataclass(frozen=True)
class BulkOutcome:
    """What became of one card; `sentences` say why it stayed.

    `asks` are the questions of its move when an answer kept it, and `needs_reason` whether a reason would
    let it go back: what can be given once for all cards, before they are sent again.
    """

    card_id: uuid.UUID
    outcome: Literal["moved", "blocked", "stale", "refused"]
    sentences: list[str]
    title: str = ""
    visit_id: int | None = None
    asks: tuple[Question, ...] = ()
    needs_reason: bool = False

    @property
    def moved(self) -> bool:
        """Whether the card moved."""
        return self.outcome == "moved"


def move_cards(
    pipeline_id: int,
    cards: Sequence[CardToMove],
    to_stage: str,
    *,
    actor: Actor,
    channel: str,
    answers: Mapping[str, Any],
    reason: str = "",
    override: bool = False,
) -> list[BulkOutcome]:
    """Move each card if its gate allows it, in the order given; opens its own transactions.

    A card that stays keeps nobody else: the result says of every card what became of it.
    """
    return [_move(pipeline_id, card, to_stage, actor, channel, answers, reason, override) for card in cards]


def _move(
    pipeline_id: int,
    wanted: CardToMove,
    to_stage: str,
    actor: Actor,
    channel: str,
    answers: Mapping[str, Any],
    reason: str,
    override: bool,
) -> BulkOutcome:
    title = ""
    try:
        with transaction():
            card = get_card(wanted.card_id)
            title = card.title
            if card.pipeline_id != pipeline_id:
                raise NotFound("This card is on another board.")
            outcome = move_card(
                wanted.card_id,
                to_stage,
                actor=actor,
                channel=channel,
                seen_visit=wanted.seen_visit,
                answers=answers,
                reason=reason,
                override=override,
            )
    except Refusal as refusal:
        return BulkOutcome(wanted.card_id, "refused", [refusal.sentence], title)
    if isinstance(outcome, Moved):
        return BulkOutcome(wanted.card_id, "moved", [], title, outcome.visit_id)
    if isinstance(outcome, Stale):
        return BulkOutcome(wanted.card_id, "stale", [outcome.sentence], title)
    return _blocked(wanted, outcome, title, actor)


def _blocked(wanted: CardToMove, outcome: Blocked, title: str, actor: Actor) -> BulkOutcome:
    goes_back = outcome.way.needs_reason and can(actor, "cards.override") and not outcome.report.blocked
    return BulkOutcome(
        wanted.card_id,
        "blocked",
        outcome.sentences,
        title,
        wanted.seen_visit,
        asks=outcome.way.asks if outcome.errors else (),
        needs_reason=goes_back,
    )
