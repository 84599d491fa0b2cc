"""How many cards a stage may hold (E26): asked at every entrance, whatever the channel.

The limit in force is the published revision's, kept on the stage's row. Whoever enters a limited stage holds
that row until the transaction ends, so that of two who race for the last place the second counts the first.
Locks are taken in this order: cards, accounts, the stage, evidence chains. Leaving a stage holds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Select, bindparam, func, select

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.governance.gates.report import CheckResult, GateReport, Remedy, State
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can
from lifecycle.records.playbooks.models import Stage

LIMIT = "limit"
"""The key and the type of a limit among the results of a gate."""


class StageFull(Invalid):
    """A hard limit keeps a card out."""


@dataclass(frozen=True)
class Room:
    """A stage's limit and how many cards stand in the stage, whatever a board is narrowed to."""

    stage: str
    name: str
    limit: int
    is_hard: bool
    cards: int

    @property
    def left(self) -> int:
        """How many cards may still come."""
        return max(0, self.limit - self.cards)

    @property
    def is_closed(self) -> bool:
        """Whether a hard limit keeps the next card out."""
        return self.is_hard and not self.left

    @property
    def sentence(self) -> str:
        """The limit, how many stand there, and what to do where that is needed."""
        stands = f"{self.cards:,} card{' stands' if self.cards == 1 else 's stand'}"
        if self.left:
            return f"{self.name} has room: {stands} there of at most {self.limit:,}."
        if self.is_hard:
            return f"{self.name} is full: {stands} there of at most {self.limit:,}. Move one out first."
        return (
            f"{self.name} is at its limit: {stands} there of at most {self.limit:,}. Better finish one first."
        )

    def result(self, *, over: str = "") -> CheckResult:
        """Return the limit as one of a gate's results; `over` is the reason of whoever may exceed it."""
        state: State = "passed" if self.left else "blocked" if self.is_hard else "warning"
        sentence = self.sentence
        if state == "blocked" and over:
            state, sentence = "waived", f"{sentence} Exceeded: {over}"
        return CheckResult(
            LIMIT,
            LIMIT,
            self.stage,
            state,
            sentence,
            Remedy(LIMIT, {"cards": self.cards, "limit": self.limit}),
        )


def rooms(pipeline_id: int) -> dict[str, Room]:
    """Return the room in every stage of a pipeline that has a limit, by the stage's key. One query."""
    rows = db.session.execute(_ROOMS, {"pipeline": pipeline_id})
    return {key: Room(key, name, limit or 0, is_hard, cards) for key, name, limit, is_hard, cards in rows}


def hold_room(stage_id: int) -> Room | None:
    """Return the room in a stage that has a limit; until the transaction ends nobody else enters it.

    None if the limit was lifted meanwhile.
    """
    held = db.session.execute(_HOLD, {"id": stage_id}).one()
    # Counted in a statement of its own: it must see what was committed while the lock was waited for.
    cards = db.session.scalars(_COUNT, {"id": stage_id}).one()
    return Room(held.key, held.name, held.card_limit, held.limit_is_hard, cards) if held.card_limit else None


def with_room(report: GateReport, room: Room | None, *, over: str = "") -> GateReport:
    """Return a gate's report with the limit of the stage entered among its results."""
    return replace(report, results=(*report.results, room.result(over=over))) if room else report


def limit_remark(report: GateReport) -> str:
    """Return what a report says of a limit that is reached; empty while there is room."""
    found = _reached(report)
    return found.sentence if found else ""


def entered_remark(report: GateReport) -> str:
    """Return what to say once the card has come into a stage that had reached its limit, else nothing."""
    found = _reached(report)
    if found is None or found.remedy is None:
        return ""
    cards, limit = found.remedy.data["cards"] + 1, found.remedy.data["limit"]
    return f"{report.to_stage.name} now holds {cards:,} cards, {limit:,} at most."


def _reached(report: GateReport) -> CheckResult | None:
    return next((each for each in report.results if each.key == LIMIT and each.state != "passed"), None)


def enter(stage: Stage, actor: Actor, over: str = "") -> dict[str, object]:
    """Hold a place for a card that comes by no gate, and return what is evidence of an exceeded limit.

    Args:
        over: why a hard limit is exceeded, of somebody who may.

    Raises:
        StageFull: there is none.
    """
    room = hold_room(stage.id) if stage.card_limit is not None else None
    if room is None or room.left:
        return {}
    if room.is_hard and not (over and may_exceed(actor)):
        raise StageFull(room.sentence, {LIMIT: room.sentence})
    return {"limit": room.limit, "standing": room.cards}


def enter_many(stage_ids: Mapping[str, int], entering: Sequence[str]) -> None:
    """Hold places for the cards of a batch, by the keys of their stages.

    Raises:
        StageFull: a hard limit has no place for all of them.
    """
    wanted = Counter(stage_ids[key] for key in entering)
    stages = db.session.scalars(
        select(Stage).where(Stage.id.in_(wanted), Stage.card_limit.is_not(None)).order_by(Stage.id)
    )
    for stage in stages.all():
        room = hold_room(stage.id)
        if room is not None and room.is_hard and room.left < wanted[stage.id]:
            raise StageFull(room.sentence)


def refusals(
    pipeline_id: int, entering: Sequence[str], before: Mapping[str, int] | None = None
) -> dict[int, str]:
    """Return which of the cards that want to enter these stages, in order, find no place, and why.

    Args:
        before: how many would come before them and are not there yet, by stage.
    """
    known = rooms(pipeline_id)
    taken: Counter[str] = Counter(before or {})
    found = {}
    for position, key in enumerate(entering):
        room = known.get(key)
        if room is not None and room.is_hard and taken[key] >= room.left:
            found[position] = replace(room, cards=room.cards + taken[key]).sentence
        else:
            taken[key] += 1
    return found


def may_exceed(actor: Actor) -> bool:
    """Say whether a person may exceed a hard limit; nothing does so by itself."""
    return actor.kind != "system" and can(actor, "cards.override")


def _standing() -> Select[int]:
    return select(func.count(Card.id)).where(Card.archived_at.is_(None))


_HOLD = (
    select(Stage.key, Stage.name, Stage.card_limit, Stage.limit_is_hard)
    .where(Stage.id == bindparam("id"))
    .with_for_update(key_share=True)
)
_COUNT = _standing().where(Card.stage_id == bindparam("id"))
_ROOMS = select(
    Stage.key,
    Stage.name,
    Stage.card_limit,
    Stage.limit_is_hard,
    _standing().where(Card.stage_id == Stage.id).scalar_subquery(),
).where(Stage.pipeline_id == bindparam("pipeline"), Stage.card_limit.is_not(None))
