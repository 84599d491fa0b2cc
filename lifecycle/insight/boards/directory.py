"""The list of boards, and the people a board can be narrowed to."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.cards.models import Card
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Playbook, Stage


@dataclass(frozen=True)
class BoardEntry:
    """One board in the list, with its open cards and those past their SLA."""

    slug: str
    name: str
    playbook: str
    open_cards: int
    breached: int

    @property
    def url(self) -> str:
        """The board's address."""
        return f"/boards/{self.slug}"


def list_boards() -> list[BoardEntry]:
    """Return every published pipeline, by playbook and position. One query."""
    is_open = and_(Stage.kind == "open", Card.archived_at.is_(None))
    is_late = and_(is_open, Card.sla_due_at < now(), Card.is_paused.is_(False))
    rows = db.session.execute(
        select(
            Pipeline.slug,
            Pipeline.name,
            Playbook.name.label("playbook"),
            func.count(case((is_open, 1))).label("open_cards"),
            func.count(case((is_late, 1))).label("breached"),
        )
        .join(Playbook, Playbook.key == Pipeline.playbook_key)
        .outerjoin(Card, Card.pipeline_id == Pipeline.id)
        .outerjoin(Stage, Stage.id == Card.stage_id)
        .where(Playbook.current_revision_id.is_not(None))
        .group_by(Pipeline.id, Playbook.name)
        .order_by(Playbook.name, Pipeline.position, Pipeline.name)
    )
    return [BoardEntry(*row) for row in rows]


def list_board_names() -> list[tuple[str, str]]:
    """Return (address, name) of every published board, without counting what is on it. One query."""
    rows = db.session.execute(
        select(Pipeline.slug, Pipeline.name)
        .join(Playbook, Playbook.key == Pipeline.playbook_key)
        .where(Playbook.current_revision_id.is_not(None))
        .order_by(Playbook.name, Pipeline.position, Pipeline.name)
    )
    return [(f"/boards/{slug}", name) for slug, name in rows]


def list_people() -> list[tuple[uuid.UUID, str]]:
    """Return everybody who may own a card, by name. One query."""
    rows = db.session.execute(
        select(User.id, User.name)
        .where(User.is_active, User.role != "viewer")
        .order_by(func.lower(User.name), User.id)
    )
    return [(user_id, name) for user_id, name in rows]
