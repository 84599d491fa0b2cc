"""Changing what is known about a card, short of its stage: one frame for every door.

`changing_card` locks the card, lets the caller change facts through their own rooms, and then brings the
card's summary, version and open boards up to date, so that no door can forget one of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lifecycle.core.clock import now
from lifecycle.core.db import db, insert_soon
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.words import _
from lifecycle.governance.cards.subjects import lock_subject
from lifecycle.governance.cards.summary import refresh_summary
from lifecycle.governance.gates.subject import Subject
from lifecycle.records.cards.models import BoardChange, Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require

# Forgotten at the end of the transaction (`core/db.py`).
_TOLD: Final = "lifecycle.boards_are_told"


@contextmanager
def changing_card(
    card_id: uuid.UUID,
    actor: Actor,
    *,
    permission: str = "cards.edit",
    seen_version: int | None = None,
    allow_closed: bool = False,
) -> Iterator[Subject]:
    """Hold a card while the caller changes facts about it, inside the caller's transaction.

    Args:
        seen_version: the version the person's form was made from; a newer one is a conflict.
        allow_closed: comments and the like stay possible on a closed card, which is read-only otherwise.

    Raises:
        NotFound, NotPermitted, Invalid (archived or closed), Conflict (changed since `seen_version`).
    """
    require(actor, permission)
    subject = lock_subject(card_id, writes_account=True)
    card = subject.card
    if card.archived_at is not None and not allow_closed:
        raise Invalid(_closed("This card is archived. Restore it first; nothing was changed.", actor))
    if not subject.stage.is_open and not allow_closed:
        sentence = f"This card is closed ({subject.stage.name}). Reopen it first; nothing was changed."
        raise Invalid(_closed(sentence, actor))
    if seen_version is not None and card.version != seen_version:
        raise Conflict(
            "Somebody changed this card while you were writing. Your text is kept; look at it again."
        )
    yield subject
    db.session.flush()
    refresh_summary(subject)
    touch_card(card, actor)


def touch_card(card: Card, actor: Actor) -> None:
    """Raise the card's version and tell open boards, once a transaction however much changes in it."""
    card.version += 1
    card.updated_at = now()
    told = db.session.info.setdefault(_TOLD, set())
    change = (card.pipeline_id, card.id, actor.user_id)
    if change not in told:
        told.add(change)
        row = {"pipeline_id": card.pipeline_id, "card_id": card.id, "actor_id": actor.user_id}
        insert_soon(BoardChange, [row])


def _closed(sentence: str, actor: Actor) -> str:
    # A client knows no cards, and could not reopen one.
    if actor.kind == "client":
        return _("This is closed on our side. Nothing was changed; write to us if it should not be.")
    return sentence
