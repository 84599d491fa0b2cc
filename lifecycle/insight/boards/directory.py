"""The list of boards, and the people a board can be narrowed to."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.cards.totals import read_totals
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Playbook, Stage

# Every page of a board asks this, so it is built once.
_PEOPLE = (
    select(User.id, User.name)
    .where(User.is_active, User.role != "viewer")
    .order_by(func.lower(User.name), User.id)
)


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
    """Return every published pipeline, by playbook and position. Two queries."""
    cards: Counter[int] = Counter()
    late: Counter[int] = Counter()
    for row in read_totals(now()):
        cards[row.stage_id] += row.cards
        late[row.stage_id] += row.breached
    open_stages = func.array_agg(Stage.id).filter(Stage.kind == "open")
    rows = db.session.execute(
        select(Pipeline.slug, Pipeline.name, Playbook.name.label("playbook"), open_stages.label("stages"))
        .join(Playbook, Playbook.key == Pipeline.playbook_key)
        .outerjoin(Stage, Stage.pipeline_id == Pipeline.id)
        .where(Playbook.current_revision_id.is_not(None))
        .group_by(Pipeline.id, Playbook.name)
        .order_by(Playbook.name, Pipeline.position, Pipeline.name)
    )
    return [
        BoardEntry(slug, name, playbook, sum(cards[each] for each in ids), sum(late[each] for each in ids))
        for slug, name, playbook, ids in ((*row[:3], row.stages or ()) for row in rows)
    ]


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
    return [(user_id, name) for user_id, name in db.session.execute(_PEOPLE)]
