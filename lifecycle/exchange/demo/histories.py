"""A year on every other board: cards in each stage, some late, some half done, and some long closed.

Told from the playbooks alone: how far a card came is chosen, and how long it stayed; what it did on the way
is what its gates asked for (`walk.py`).
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa

from lifecycle.core.clock import pretending
from lifecycle.core.db import db, transaction
from lifecycle.core.durations import Duration, parse_duration
from lifecycle.exchange.demo.companies import Company, companies
from lifecycle.exchange.demo.places import language_of
from lifecycle.exchange.demo.times import OfficeHours
from lifecycle.exchange.demo.walk import Stuck, Walker
from lifecycle.governance.cards.subjects import forward_target, get_subject
from lifecycle.governance.language.model import PipelineDef, PlaybookDef, StageDef
from lifecycle.governance.moves.assign import assignee_of
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.library import list_current_revisions
from lifecycle.records.accounts.changes import create_account
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.playbooks.models import Pipeline, Stage

log = logging.getLogger(__name__)

# The Growth board has stories of its own (`plan.py`).
TOLD_ELSEWHERE: Final = "wispgate.growth"
_WON_PER_BOARD: Final = 2
_PATIENCE: Final = (timedelta(), timedelta(days=2), timedelta(days=16))
_LEFT_UNDONE: Final = (
    ("evidence",),
    ("field", "checklist"),
    ("meeting",),
    ("task", "approval"),
    ("client",),
    (),
)


_ARRIVED_LONG_AGO: Final = timedelta(days=2)
# Boards as a customer meets them, and whether a card goes on by itself or is brought along.
_HANDED_OVER: Final = (
    ("customer-success.lifecycle", False),
    ("wispgate.delivery", True),
    ("customer-success.lifecycle", False),
    ("wispgate.onboarding", True),
    ("customer-success.lifecycle", True),
)


@dataclass(frozen=True)
class Part:
    """One card's history: on which board, how far it comes, and when it closed, if it did."""

    number: int
    playbook: PlaybookDef
    pipeline: PipelineDef
    stage: StageDef
    company: Company
    ended_at: datetime | None


def plan_parts(at: datetime) -> list[Part]:
    """Return what is to be told: cards in the open stages of every board, and some that closed."""
    found: list[Part] = []
    for revision in list_current_revisions():
        playbook = revision.playbook
        names = companies(playbook.key)
        first = len(found)
        for pipeline in playbook.pipelines:
            if pipeline.slug == TOLD_ELSEWHERE:
                continue
            for stage, ended_at in _endings(pipeline, at):
                number = len(found)
                turn, place = divmod(number - first, len(names))
                company = names[place].numbered(turn)
                found.append(Part(number, playbook, pipeline, stage, company, ended_at))
    return found


def _endings(pipeline: PipelineDef, at: datetime) -> Iterator[tuple[StageDef, datetime | None]]:
    for stage in pipeline.stages:
        if stage.is_open:
            yield stage, None
            continue
        for turn in range(_WON_PER_BOARD if stage.kind == "won" else 1):
            yield stage, at - timedelta(days=20 + 85 * turn + 7 * stage.position)


def tell_part(part: Part, office: OfficeHours, at: datetime) -> None:
    """Tell one card's history, each stay in a transaction of its own. Must not be called inside one."""
    if _is_told(part):
        return
    chance = random.Random(f"histories/{part.number}")  # noqa: S311 - a story, not a secret
    walker = Walker(chance, {})
    way = way_to(part.pipeline, part.stage)
    stays = [_hours(stage, chance) for stage in way[:-1]]
    last = _hours(way[-1], chance) * chance.choice((0.2, 0.5, 0.8, 1.3)) if part.stage.is_open else 0.0
    moment = office.before(part.ended_at or at, sum(stays) + last)
    with transaction(), pretending(moment):
        card_id = _begin(part, chance)
        walker.perform(card_id)
    for stage, hours in zip(way[1:], stays, strict=True):
        moment = min(office.after(moment, hours), part.ended_at or at)
        try:
            moment = _go_on(walker, card_id, stage, moment, at)
        except Stuck as stuck:
            # Told so far as it went: one card that stays behind is better than no demo.
            log.warning("the demo leaves a card behind: %s", stuck)
            db.session.rollback()
            return
    if part.stage.is_open:
        _leave_half_done(walker, card_id, office.before(at, last / 2), chance)
    db.session.rollback()


def handed_over(office: OfficeHours, at: datetime) -> Iterator[list[Callable[[], None]]]:
    """Yield what goes on with the cards that were handed over from other boards, as far as time allows.

    In each list nothing depends on the rest of it; the next list is made when the last is done. The
    customer's own card goes only as far as the projects bring it; at each halt its gate is met, so that
    they can.
    """
    for pipeline, is_carried in _HANDED_OVER:
        yield [
            partial(_carry, card_id, entered_at, office, at, is_brought=not is_carried)
            for card_id, entered_at in _arrived(pipeline, at)
        ]


def _carry(
    card_id: uuid.UUID, moment: datetime, office: OfficeHours, at: datetime, *, is_brought: bool
) -> None:
    walker = Walker(random.Random(moment.isoformat()), {})  # noqa: S311 - a story, not a secret
    while True:
        subject = get_subject(card_id)
        target = forward_target(subject.pipeline, subject.stage)
        begun = max(moment, subject.visit.entered_at)
        db.session.rollback()
        moment = office.after(begun, _hours(subject.stage, walker.chance))
        if target is None or not subject.stage.is_open or moment > at:
            return
        try:
            if is_brought:
                with transaction(), pretending(office.after(begun, 2)):
                    walker.meet(card_id, target.key)
                return
            moment = _go_on(walker, card_id, target, moment, at)
        except Stuck:
            return


def _arrived(pipeline: str, at: datetime) -> list[tuple[uuid.UUID, datetime]]:
    query = (
        sa.select(Card.id, StageVisit.entered_at)
        .join(StageVisit, StageVisit.id == Card.visit_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .join(Stage, Stage.id == Card.stage_id)
        .where(Pipeline.slug == pipeline, Stage.kind == "open", Card.journey_id != Card.id)
        .where(StageVisit.entered_at < at - _ARRIVED_LONG_AGO)
        .order_by(StageVisit.entered_at, Card.id)
    )
    found = [(card_id, entered_at) for card_id, entered_at in db.session.execute(query).all()]
    db.session.rollback()
    return found


def _go_on(walker: Walker, card_id: uuid.UUID, stage: StageDef, moment: datetime, at: datetime) -> datetime:
    """Meet the gate and enter a stage; a minimum stay is sat out. Return when that was."""
    for wait in _PATIENCE:
        moment = min(moment + wait, at)
        try:
            with transaction(), pretending(moment):
                walker.advance(card_id, stage.key)
        except Stuck:
            if wait == _PATIENCE[-1]:
                raise
            continue
        with transaction(), pretending(moment):
            walker.perform(card_id)
        break
    return moment


def _leave_half_done(walker: Walker, card_id: uuid.UUID, moment: datetime, chance: random.Random) -> None:
    """Do some of what the next gate asks for, so that a board shows gates in every state."""
    with transaction(), pretending(moment):
        subject = get_subject(card_id)
        if not subject.stage.is_open:
            return
        try:
            target = walker.following(subject)
        except Stuck:
            return
        undone = ("client", "questionnaire", "handoff", *chance.choice(_LEFT_UNDONE))
        walker.meet(card_id, target, leave_undone=undone)


def way_to(pipeline: PipelineDef, target: StageDef) -> list[StageDef]:
    """Return the stages a card passes on its way to one, itself included.

    They go by the edges that the playbook has.
    """
    path = list(pipeline.path)
    if target in path:
        return path[: path.index(target) + 1]
    edge = next(edge for edge in reversed(pipeline.edges) if edge.to_stage == target.key)
    return [*way_to(pipeline, pipeline.stage(edge.from_stage)), target]


def _hours(stage: StageDef, chance: random.Random) -> float:
    """Return how many office hours a stay usually takes: mostly within its SLA, never below its minimum."""
    allowed = _office_hours(stage.sla.duration, 0.7) if stage.sla else 16.0
    # More than the minimum's share of working days, so that it is over by then.
    least = [
        _office_hours(parse_duration(check.params.at_least), 0.8)
        for check in stage.leave
        if check.type == "time" and check.params.at_least
    ]
    usual = min(allowed, 170.0) * chance.triangular(0.25, 1.15, 0.6)
    return round(max([usual, *least]), 2)


def _office_hours(duration: Duration, working_share: float) -> float:
    share = 1.0 if duration.business else working_share
    return (
        duration.amount
        * {
            "minutes": 1 / 60,
            "hours": 1.0,
            "days": OfficeHours.DAY * share,
            "weeks": OfficeHours.DAY * 5,
        }[duration.unit]
    )


def _begin(part: Part, chance: random.Random) -> uuid.UUID:
    company = part.company
    account = create_account(
        {"name": company.name, "country": company.country, "website": f"https://{company.domain}"},
        actor=SYSTEM,
    )
    contacts = [
        create_contact(
            account.id,
            {
                "name": name,
                "title": title,
                "email": company.email_of(name),
                "language": language_of(company.country) or "",
                "is_verified": True,
            },
            actor=SYSTEM,
        )
        for name, title in company.people
    ]
    contacts[0].rights = ["owner", "signatory"]
    contacts[-1].rights = [*contacts[-1].rights, "technical", "billing"]
    owner = assignee_of(part.pipeline.department, uuid.UUID(int=0))
    account.owner_id = owner
    card = create_card(
        part.pipeline.slug,
        actor=SYSTEM,
        channel="demo",
        account_id=account.id,
        title=company.title,
        value_amount=company.value(chance),
        value_currency="EUR",
        contact_id=contacts[0].id,
        fallback_owner_id=owner,
    )
    return card.id


def _is_told(part: Part) -> bool:
    found = db.session.scalar(sa.select(Account.id).where(Account.name == part.company.name).limit(1))
    db.session.rollback()
    return found is not None


def unread_is_old(at: datetime) -> None:
    """Let what was told more than two days ago count as read: an inbox of a year helps nobody."""
    db.session.execute(
        sa.text("update notices set read_at = shows_at + interval '1 hour' where shows_at < :then"),
        {"then": at - timedelta(days=2)},
    )
