"""A whole board, one column's next page, and the parts that a change touches."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.governance.cards.limits import Room, rooms
from lifecycle.governance.language.model import PipelineDef, PlaybookDef
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.boards.queries import (
    collapsed_stages,
    column_page,
    faces_of,
    first_cards,
    totals_by_stage,
)
from lifecycle.insight.boards.view import CardFace, Column, card_face
from lifecycle.records.playbooks.models import Pipeline, Playbook, Stage

# Twice what a large window shows; the next come before they are scrolled to.
CARDS_A_PAGE = 12
# A position before every card of a column.
BEFORE_ALL = (-(2**62), uuid.UUID(int=0))

# Every page of a board asks this, so it is built once.
_BOARD = (
    select(Pipeline, Playbook.current_revision_id, Stage)
    .join(Playbook, Playbook.key == Pipeline.playbook_key)
    .join(Stage, Stage.pipeline_id == Pipeline.id)
    .where(Pipeline.slug == bindparam("slug"), Playbook.current_revision_id.is_not(None))
    .order_by(Stage.position, Stage.id)
)


@dataclass(frozen=True)
class BoardIdentity:
    """A pipeline as the board shows it: the newest revision's stages, and retired ones by their rows."""

    pipeline: Pipeline
    playbook: PlaybookDef
    definition: PipelineDef
    stages: tuple[Stage, ...]

    @property
    def url(self) -> str:
        """The board's address."""
        return f"/boards/{self.pipeline.slug}"

    def stage(self, key: str) -> Stage:
        """Return a stage's row.

        Raises:
            NotFound: the board has no such stage.
        """
        for stage in self.stages:
            if stage.key == key:
                return stage
        raise NotFound("This board has no such stage.")


@dataclass(frozen=True)
class Board:
    """A board as one moment shows it. `shown` counts the cards that match the filter."""

    identity: BoardIdentity
    columns: list[Column]
    filter: BoardFilter

    @property
    def shown(self) -> int:
        """How many cards match the filter."""
        return sum(column.count for column in self.columns)


def find_board(slug: str) -> BoardIdentity:
    """Return the pipeline of a board's address. One query.

    Raises:
        NotFound: no published playbook has it.
    """
    rows = db.session.execute(_BOARD, {"slug": slug}).all()
    if not rows:
        raise NotFound("There is no such board. Its playbook may not be published.")
    pipeline, revision_id, _ = rows[0]
    playbook = of_revision(revision_id)
    if all(definition.key != pipeline.key for definition in playbook.pipelines):
        raise NotFound(f"{pipeline.name} is no longer part of its playbook, so it has no board.")
    stages = tuple(stage for _, _, stage in rows)
    return BoardIdentity(pipeline, playbook, playbook.pipeline(pipeline.key), stages)


def read_board(identity: BoardIdentity, narrowed: BoardFilter, reader: uuid.UUID, zone: ZoneInfo) -> Board:
    """Return the board with the first cards of every column. Three queries, four if narrowed with a limit."""
    at = now()
    columns = empty_columns(identity, reader)
    fill_totals(identity, columns, narrowed, at)
    # A folded column brings its cards along when it is unfolded.
    unfolded = [stage_id for stage_id, column in columns.items() if not column.collapsed]
    for row in first_cards(unfolded, narrowed, at, CARDS_A_PAGE):
        columns[row.stage_id].cards.append(card_face(row, at, zone))
    for column in columns.values():
        if column.count > len(column.cards):
            last = column.cards[-1] if column.cards else None
            column.more_url = _more_url(identity, column.key, last, narrowed)
    shown = [column for column in columns.values() if not column.retired or column.count]
    return Board(identity, shown, narrowed)


def read_column_page(
    identity: BoardIdentity,
    stage_key: str,
    after: tuple[int, uuid.UUID],
    narrowed: BoardFilter,
    zone: ZoneInfo,
) -> tuple[list[CardFace], str | None]:
    """Return the next cards of a column and the address of those after them. One query."""
    at = now()
    stage = identity.stage(stage_key)
    rows = column_page(stage.id, narrowed, at, after, CARDS_A_PAGE + 1)
    cards = [card_face(row, at, zone) for row in rows[:CARDS_A_PAGE]]
    more = len(rows) > CARDS_A_PAGE
    return cards, _more_url(identity, stage_key, cards[-1], narrowed) if more else None


@dataclass(frozen=True)
class Touched:
    """What a change touches on a board: faces with the card each precedes, cards to take away, headers."""

    faces: list[tuple[CardFace, uuid.UUID | None]]
    gone: list[uuid.UUID]
    headers: list[Column]


def read_touched(
    identity: BoardIdentity,
    card_ids: Sequence[uuid.UUID],
    stage_keys: Iterable[str],
    narrowed: BoardFilter,
    reader: uuid.UUID,
    zone: ZoneInfo,
) -> Touched:
    """Return the present faces of changed cards and the headers of the stages named. Three queries."""
    at = now()
    columns = empty_columns(identity, reader)
    fill_totals(identity, columns, narrowed, at)
    rows = faces_of(identity.pipeline.id, card_ids, narrowed, at)
    wanted = set(stage_keys)
    return Touched(
        faces=[(card_face(row, at, zone), row.following) for row in rows],
        gone=[card_id for card_id in card_ids if card_id not in {row.id for row in rows}],
        headers=[column for column in columns.values() if not wanted or column.key in wanted],
    )


def empty_columns(identity: BoardIdentity, reader: uuid.UUID) -> dict[int, Column]:
    """Return a board's columns by the stage's id, as the reader folded them, without cards. One query."""
    folded = collapsed_stages(reader)
    columns = {}
    for stage in identity.stages:
        definition = identity.definition.find_stage(stage.key)
        phase = identity.playbook.phase_of(definition) if definition else None
        columns[stage.id] = Column(
            key=stage.key,
            name=stage.name,
            phase=phase.name if phase else "",
            kind=stage.kind,
            is_client_gate=bool(definition and definition.is_client_gate),
            can_create=bool(definition and definition.can_create),
            retired=definition is None,
            # Won and lost stand folded at the right until somebody opens them.
            collapsed=folded.get(stage.id, stage.kind != "open"),
        )
    return columns


def fill_totals(
    identity: BoardIdentity, columns: dict[int, Column], narrowed: BoardFilter, at: datetime
) -> None:
    """Count what stands in the columns and what it is worth. One query, two if narrowed with a limit."""
    for row in totals_by_stage(identity.pipeline.id, narrowed, at):
        column = columns[row.stage_id]
        column.count += row.cards
        column.breached += row.breached if column.kind == "open" else 0
        if row.currency is not None:
            column.totals[row.currency] = row.total
    _fill_rooms(identity, columns, narrowed)


def _fill_rooms(identity: BoardIdentity, columns: dict[int, Column], narrowed: BoardFilter) -> None:
    limited = [stage for stage in identity.stages if stage.card_limit is not None]
    # A limit counts every card; the totals say so already unless the board is narrowed.
    known = rooms(identity.pipeline.id) if limited and not narrowed.is_empty else {}
    for stage in limited:
        column = columns[stage.id]
        counted = Room(stage.key, stage.name, stage.card_limit or 0, stage.limit_is_hard, column.count)
        column.room = known.get(stage.key, counted)


def _more_url(identity: BoardIdentity, stage_key: str, last: CardFace | None, narrowed: BoardFilter) -> str:
    after = f"after={last.order}.{last.id}" if last else ""
    query = "&".join(part for part in (after, narrowed.as_query()) if part)
    return f"{identity.url}/columns/{stage_key}" + (f"?{query}" if query else "")
