"""Jobs about cards."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import select

from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.summary import refresh_summaries
from lifecycle.records.cards.models import Card

BATCH = 200


def refresh_account_cards(account_id: str) -> None:
    """Bring the gate summaries of an account's cards up to date, a batch a transaction; safe to repeat."""
    query = (
        select(Card.id)
        .where(Card.account_id == uuid.UUID(account_id), Card.archived_at.is_(None))
        .order_by(Card.id)
    )
    ids = db.session.scalars(query).all()
    db.session.rollback()
    _refresh(ids)


def refresh_all_cards() -> None:
    """Bring every open card's gate summary up to date: time alone changes some checks (E4)."""
    query = select(Card.id).where(Card.archived_at.is_(None), Card.board_order > 0).order_by(Card.id)
    ids = db.session.scalars(query).all()
    db.session.rollback()
    _refresh(ids)


def _refresh(ids: Sequence[uuid.UUID]) -> None:
    for start in range(0, len(ids), BATCH):
        with transaction():
            refresh_summaries(ids[start : start + BATCH])
