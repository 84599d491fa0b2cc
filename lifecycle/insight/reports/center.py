"""The command center: where everything stands, what is late, and what waits on whom (L10)."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.insight.ages import age_conditions
from lifecycle.insight.client_gates import ASKED_SINCE
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.flows import read_flows
from lifecycle.records.cards.models import Card
from lifecycle.records.cards.totals import read_totals
from lifecycle.records.people.models import Department
from lifecycle.records.playbooks.models import Pipeline, Playbook, Stage
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientRequest
from lifecycle.work.handoffs.models import Handoff

WEEKS: Final = 12
OLDEST: Final = 8


@dataclass(frozen=True)
class StageNow:
    """What stands in a stage."""

    key: str
    name: str
    cards: int
    late: int
    waiting: int


@dataclass
class BoardNow:
    """What stands in a pipeline's open stages, in order; and by week what entered, was won and was lost."""

    slug: str
    name: str
    playbook: str
    stages: list[StageNow] = field(default_factory=list)
    trend: list[tuple[date, int, int, int]] = field(default_factory=list)

    @property
    def cards(self) -> int:
        """Open cards."""
        return sum(stage.cards for stage in self.stages)

    @property
    def late(self) -> int:
        """Open cards past their SLA."""
        return sum(stage.late for stage in self.stages)

    @property
    def waiting(self) -> int:
        """Open cards that wait on the client."""
        return sum(stage.waiting for stage in self.stages)


@dataclass(frozen=True)
class Waiting:
    """Something that waits, since when, for which card."""

    id: uuid.UUID
    card_id: uuid.UUID
    words: str
    account: str
    since: datetime


@dataclass(frozen=True)
class Ageing:
    """How many wait, by age in AGES, and the oldest of them."""

    counts: list[int]
    oldest: list[Waiting]

    @property
    def total(self) -> int:
        """How many wait."""
        return sum(self.counts)


@dataclass(frozen=True)
class Center:
    """All of it, as of one moment."""

    boards: list[BoardNow]
    gates: Ageing
    handoffs: Ageing

    @property
    def sentence(self) -> str:
        """What matters most, in one or two sentences."""
        cards = sum(board.cards for board in self.boards)
        late = sum(board.late for board in self.boards)
        if not cards:
            return "No card is open."
        worst = max(self.boards, key=lambda board: board.late)
        said = f"{late:,} of {cards:,} open cards {'is' if late == 1 else 'are'} past the SLA"
        said += f", most of them in {worst.name} ({worst.late:,})." if late else "."
        if old := self.gates.counts[-1]:
            said += f" {old:,} client gate{'s have' if old != 1 else ' has'} waited for over 14 days."
        return said


# Built once: that takes longer than the answers.
_AT: Final = sa.bindparam("at", type_=sa.DateTime(timezone=True))
_WAITING_CARDS: Final = (
    sa.select(Card.stage_id, sa.func.count())
    .where(Card.waiting_on_client, Card.archived_at.is_(None))
    .group_by(Card.stage_id)
)
_STAGES: Final = (
    sa.select(
        Pipeline.id,
        Pipeline.slug,
        Pipeline.name,
        Playbook.name.label("playbook"),
        Stage.id.label("stage_id"),
        Stage.key,
        Stage.name.label("stage"),
        Stage.retired_at,
    )
    .join(Playbook, Playbook.key == Pipeline.playbook_key)
    .join(Stage, sa.and_(Stage.pipeline_id == Pipeline.id, Stage.kind == "open"))
    .where(Playbook.current_revision_id.is_not(None))
    .order_by(Playbook.name, Pipeline.position, Pipeline.name, Stage.position)
)
_GATES: Final = (
    sa.select(
        ClientRequest.id,
        ClientRequest.card_id,
        ClientRequest.name.label("words"),
        ASKED_SINCE.label("since"),
    )
    .join(Card, Card.id == ClientRequest.card_id)
    .where(
        ClientRequest.closed_at.is_(None),
        ClientRequest.status.in_(WAITING_STATUSES),
        Card.archived_at.is_(None),
    )
    .subquery()
)
_HANDOFFS: Final = (
    sa.select(
        Handoff.id,
        Handoff.to_card_id.label("card_id"),
        Department.name.label("words"),
        Handoff.offered_at.label("since"),
    )
    .join(Card, Card.id == Handoff.to_card_id)
    .join(Department, Department.key == Handoff.to_department)
    .where(Handoff.state == "offered", Card.archived_at.is_(None))
    .subquery()
)


def _counted(waiting: sa.Subquery) -> sa.Select[*tuple[Any, ...]]:
    counts = [sa.func.count().filter(step) for step in age_conditions(waiting.c.since, _AT)]
    return sa.select(*counts).select_from(waiting)


def _oldest(waiting: sa.Subquery) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(
            waiting.c.id, waiting.c.card_id, waiting.c.words, Account.name.label("account"), waiting.c.since
        )
        .join(Card, Card.id == waiting.c.card_id)
        .join(Account, Account.id == Card.account_id)
        .order_by(waiting.c.since, waiting.c.id)
        .limit(OLDEST)
    )


# Of each: how many there are of which age, and the oldest.
_GATES_BY_AGE: Final = (_counted(_GATES), _oldest(_GATES))
_HANDOFFS_BY_AGE: Final = (_counted(_HANDOFFS), _oldest(_HANDOFFS))


def read_center(at: datetime, zone: ZoneInfo) -> Center:
    """Return where everything stands at `at`, weeks in `zone`. Eight statements, for `one_moment`."""
    boards = _boards(at)
    _add_trends(boards, at, zone)
    return Center(list(boards.values()), _ageing(*_GATES_BY_AGE, at), _ageing(*_HANDOFFS_BY_AGE, at))


def _boards(at: datetime) -> dict[int, BoardNow]:
    cards: Counter[int] = Counter()
    late: Counter[int] = Counter()
    for row in read_totals(at):
        cards[row.stage_id] += row.cards
        late[row.stage_id] += row.breached
    waiting = dict(db.session.execute(_WAITING_CARDS).all())
    boards: dict[int, BoardNow] = {}
    for row in db.session.execute(_STAGES):
        if row.retired_at is not None and not cards[row.stage_id]:
            continue
        board = boards.setdefault(row.id, BoardNow(row.slug, row.name, row.playbook))
        stands = (cards[row.stage_id], late[row.stage_id], waiting.get(row.stage_id, 0))
        board.stages.append(StageNow(row.key, row.stage, *stands))
    return boards


def _add_trends(boards: dict[int, BoardNow], at: datetime, zone: ZoneInfo) -> None:
    """Count entries, wins and losses by week, as the reports do: without what was undone or has no date."""
    monday = at.astimezone(zone).date()
    monday -= timedelta(days=monday.weekday())
    weeks = [monday - timedelta(weeks=n) for n in range(-1, WEEKS)][::-1]
    bounds = [datetime.combine(week, time(), zone) for week in weeks]
    found = {
        (row.pipeline_id, weeks[row.span]): (row.entered, row.won, row.lost) for row in read_flows(bounds)
    }
    for pipeline_id, board in boards.items():
        board.trend = [(each, *found.get((pipeline_id, each), (0, 0, 0))) for each in weeks[:-1]]


def _ageing(
    counted: sa.Select[*tuple[Any, ...]], oldest: sa.Select[*tuple[Any, ...]], at: datetime
) -> Ageing:
    counts = db.session.execute(counted, {"at": at}).one()
    return Ageing(list(counts), [Waiting(*row) for row in db.session.execute(oldest)])
