"""What follows from moves, done as the jobs do it: rules performed, reminders fired, mail delivered."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.governance.automation.perform import perform_due
from lifecycle.governance.moves.outcome import UNDO_WINDOW
from lifecycle.governance.reminders.fire import fire_due
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.inbox.models import Notice
from lifecycle.records.outbox.deliver import deliver_due
from lifecycle.records.outbox.sealed import sealed_token
from lifecycle.records.people.models import User
from lifecycle.work.client_requests.models import ClientLink
from tests.factories.cards import KnownCard


def perform(app: Flask) -> int:
    """Perform the rules that are due now, and return how many were."""
    with app.app_context():
        return perform_due()[0]


def remind(app: Flask) -> int:
    """Settle the reminders that are due now, and return how many were."""
    with app.app_context():
        return fire_due()[0]


def follow_through(app: Flask) -> None:
    """Let the undo window pass, and do everything that then is due: rules, what they set off, and mail.

    A move that a rule makes has an undo window of its own, so the clock goes on in steps.
    """
    for step in range(1, 5):
        with time_machine.travel(now() + step * (UNDO_WINDOW + timedelta(seconds=1))), app.app_context():
            perform_due()
            deliver_due()


def firings(app: Flask, card: KnownCard | None = None) -> list[RuleFiring]:
    """Return the firings of a card, or all, in the order they were set off."""
    query = sa.select(RuleFiring).order_by(RuleFiring.created_at, RuleFiring.id)
    if card is not None:
        query = query.where(RuleFiring.card_id == card.id)
    with app.app_context():
        return list(db.session.scalars(query))


def notices(app: Flask, **where: Any) -> list[tuple[str, str]]:
    """Return (name, title) of notices that were not withdrawn, in order."""
    query = (
        sa.select(User.name, Notice.title)
        .join(User, User.id == Notice.user_id)
        .where(Notice.withdrawn_at.is_(None))
        .order_by(Notice.created_at, User.name)
    )
    for key, value in where.items():
        query = query.where(getattr(Notice, key) == value)
    with app.app_context():
        return [(name, title) for name, title in db.session.execute(query)]


def link_of(app: Flask, request_id: uuid.UUID) -> str:
    """Return the path of the latest link of a request, as its mail has it."""
    with app.app_context():
        link = db.session.scalars(
            sa.select(ClientLink.id)
            .where(ClientLink.request_id == request_id)
            .order_by(ClientLink.created_at.desc(), ClientLink.id.desc())
            .limit(1)
        ).one()
        return f"/c/{sealed_token(f'client_links/{link}')}"
