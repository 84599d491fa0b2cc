"""Taking cards over to another revision of their playbook: what it would change, and doing it (E1).

A card that goes over stays in its stage and its visit: the deadline that runs stays as it was, and so do its
next action and its tasks. What the new revision says holds from the next move on.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import array

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict, NotFound
from lifecycle.governance.cards.change import touch_card
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.subjects import get_subject, lock_subject, subjects_of
from lifecycle.governance.cards.summary import forward_question, refresh_summary
from lifecycle.governance.fields.values import ValueRefused, read_value
from lifecycle.governance.gates.evaluate import evaluate
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import FieldDef, PipelineDef, PlaybookDef, StageDef
from lifecycle.governance.moves.visits import make_tasks
from lifecycle.governance.playbooks.changes import Change, changes_between
from lifecycle.governance.playbooks.differences import StageDifference, stage_differences
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.records.playbooks.models import Pipeline, Playbook, PlaybookRevision, Stage
from lifecycle.work.tasks.queries import tasks_by_card

# So many cards' gates are evaluated together.
BATCH = 500


@dataclass(frozen=True)
class StandingCards:
    """The cards of one stage that run on another revision; `is_kept` says whether they can stay in it."""

    stage: str
    name: str
    cards: int
    is_kept: bool


@dataclass(frozen=True)
class OtherRevision:
    """A revision that cards run on: how many stand open and closed, and what would be different for them.

    `stages` tells it by stage; `changes` is every difference, as publishing told it.
    """

    id: int
    number: int
    open_cards: int
    closed_cards: int
    stages: tuple[StageDifference, ...]
    changes: tuple[Change, ...]

    @property
    def cards(self) -> int:
        """How many cards run on it."""
        return self.open_cards + self.closed_cards


@dataclass(frozen=True)
class StayingCard:
    """A card that cannot go over, and why, in a sentence."""

    id: uuid.UUID
    title: str
    stage: str
    why: str


@dataclass(frozen=True)
class GateTurns:
    """Of the open cards that go over: for how many the way forward would close, and for how many open."""

    closing: int
    opening: int


@dataclass(frozen=True)
class MigrationPlan:
    """What a migration to a revision would touch. `stages` are in the board's order, `revisions` by number.

    Archived cards are not counted: they stay as they are until somebody restores them. `turns` is None when
    there were more gates than the caller wanted evaluated.
    """

    pipeline: str
    name: str
    revision: int
    revision_id: int
    revisions: tuple[OtherRevision, ...]
    stages: tuple[StandingCards, ...]
    staying: tuple[StayingCard, ...]
    turns: GateTurns | None

    @property
    def cards(self) -> int:
        """How many cards run on another revision."""
        return sum(stage.cards for stage in self.stages)

    @property
    def going(self) -> int:
        """How many cards would go over."""
        return self.cards - len(self.staying)

    @property
    def stranded(self) -> tuple[StandingCards, ...]:
        """The stages with cards that the new revision does not have: these cards must be moved first."""
        return tuple(stage for stage in self.stages if not stage.is_kept)


@dataclass(frozen=True)
class Migrated:
    """What a migration came to. `remaining` cards could still go: the time given was over."""

    pipeline: str
    revision: int
    migrated: int
    staying: int
    remaining: int = 0


@dataclass(frozen=True)
class _Target:
    """Where cards go: a revision, and the pipeline as it says it; None when it has dropped the pipeline."""

    row: Pipeline
    revision_id: int
    number: int
    playbook: PlaybookDef
    definition: PipelineDef | None


@dataclass(frozen=True)
class _Standing:
    """A card on another revision, and where it stands."""

    id: uuid.UUID
    title: str
    revision_id: int
    stage: Stage


def list_migrations(playbook_key: str, *, most_gates: int | None = None) -> list[MigrationPlan]:
    """Return the plans to the current revision of a playbook's pipelines that have cards to take."""
    slugs = db.session.scalars(
        select(Pipeline.slug)
        .join(Playbook, Playbook.key == Pipeline.playbook_key)
        .join(Card, Card.pipeline_id == Pipeline.id)
        .where(
            Pipeline.playbook_key == playbook_key,
            Card.revision_id != Playbook.current_revision_id,
            *_on_board(),
        )
        .group_by(Pipeline.id)
        .order_by(Pipeline.position, Pipeline.id)
    ).all()
    return [plan_migration(slug, most_gates=most_gates) for slug in slugs]


def plan_migration(
    slug: str, revision_id: int | None = None, *, most_gates: int | None = None
) -> MigrationPlan:
    """Return which cards of a pipeline run on other revisions, and what becomes of them; writes nothing.

    Gates are evaluated under both revisions, in a constant number of queries for every 500 open cards.

    Args:
        slug: the pipeline, as `<playbook>.<pipeline>`.
        revision_id: the revision to go to; the current one unless given.
        most_gates: with more open cards than that, no gate is evaluated; without it, all are.

    Raises:
        NotFound: no such pipeline, or no such revision of its playbook.
    """
    target = _target(slug, revision_id)
    standing = _standing_cards(target)
    hindered = _hindered(target, standing)
    in_work = [each.id for each in standing if each.stage.kind == "open" and each.id not in hindered]
    return MigrationPlan(
        pipeline=slug,
        name=target.definition.name if target.definition else target.row.name,
        revision=target.number,
        revision_id=target.revision_id,
        revisions=_other_revisions(target, standing),
        stages=_by_stage(target, standing),
        staying=tuple(
            StayingCard(each.id, each.title, each.stage.name, hindered[each.id])
            for each in standing
            if each.id in hindered
        ),
        turns=_turns(target, in_work) if most_gates is None or len(in_work) <= most_gates else None,
    )


def migrate_cards(
    slug: str,
    *,
    actor: Actor,
    channel: str,
    seen_revision: int | None = None,
    within: timedelta | None = None,
) -> Migrated:
    """Take the cards of a pipeline over to the current revision; opens a transaction for each card.

    A card goes over or stays as it was, whole, and waits its turn with moves of the same card. Stopped at
    any point, the next call goes on with the cards that are left.

    Args:
        seen_revision: the id of the revision whose plan was seen; cards go to no other.
        within: how long to go on; what is left then is told.

    Raises:
        NotPermitted: only those who publish may.
        NotFound: no such pipeline.
        Conflict: another revision is, or became, the current one; cards that had gone over stay there.
    """
    require(actor, "playbooks.publish")
    target = _target(slug, None)
    if seen_revision is not None and seen_revision != target.revision_id:
        raise Conflict(
            f"Revision {target.number} was published since you looked. "
            "Look at what it changes first; nothing was changed."
        )
    waiting = [each.id for each in _standing_cards(target)]
    until = now() + within if within is not None else None
    migrated = staying = 0
    for number, card_id in enumerate(waiting):
        if until is not None and now() > until:
            return Migrated(slug, target.number, migrated, staying, len(waiting) - number)
        outcome = _migrate_one(card_id, target, actor, channel, migrated)
        migrated += outcome == "migrated"
        staying += outcome == "staying"
    return Migrated(slug, target.number, migrated, staying)


def _target(slug: str, revision_id: int | None) -> _Target:
    row = db.session.scalar(select(Pipeline).where(Pipeline.slug == slug))
    if row is None:
        raise NotFound("There is no such pipeline.")
    chosen = revision_id
    if chosen is None:
        chosen = db.session.scalars(
            select(Playbook.current_revision_id).where(Playbook.key == row.playbook_key)
        ).one()
    found = db.session.execute(
        select(PlaybookRevision.id, PlaybookRevision.number).where(
            PlaybookRevision.id == chosen, PlaybookRevision.playbook_key == row.playbook_key
        )
    ).one_or_none()
    if found is None:
        raise NotFound("There is no such pipeline or revision.")
    playbook = of_revision(found.id)
    definition = next((each for each in playbook.pipelines if each.key == row.key), None)
    return _Target(row, found.id, found.number, playbook, definition)


# --- what stands where ---


def _on_board() -> tuple[Any, ...]:
    return (Card.archived_at.is_(None), Card.withdrawn_at.is_(None))


def _standing_cards(target: _Target) -> list[_Standing]:
    """Return the cards on other revisions, in the order of the board. One query."""
    rows = db.session.execute(
        select(Card.id, Card.title, Card.revision_id, Stage)
        .join(Stage, Stage.id == Card.stage_id)
        .where(Card.pipeline_id == target.row.id, Card.revision_id != target.revision_id, *_on_board())
        .order_by(Stage.position, Stage.id, Card.board_order, Card.id)
    )
    return [_Standing(*row) for row in rows]


def _by_stage(target: _Target, standing: Sequence[_Standing]) -> tuple[StandingCards, ...]:
    counts = Counter(
        (each.stage.key, each.stage.name, _stage_hindrance(target, each.revision_id, each.stage) is None)
        for each in standing
    )
    return tuple(StandingCards(key, name, count, kept) for (key, name, kept), count in counts.items())


def _other_revisions(target: _Target, standing: Sequence[_Standing]) -> tuple[OtherRevision, ...]:
    opened = Counter(each.revision_id for each in standing if each.stage.kind == "open")
    counted = Counter(each.revision_id for each in standing)
    contents = {
        row.id: row
        for row in db.session.scalars(
            select(PlaybookRevision).where(PlaybookRevision.id.in_([*counted, target.revision_id]))
        )
    }
    return tuple(
        OtherRevision(
            id=each.id,
            number=each.number,
            open_cards=opened[each.id],
            closed_cards=counted[each.id] - opened[each.id],
            stages=stage_differences(of_revision(each.id), target.playbook, target.row.key)
            if target.definition
            else (),
            changes=changes_between(each.content, contents[target.revision_id].content),
        )
        for each in sorted(contents.values(), key=lambda row: row.number)
        if each.id in counted
    )


# --- who cannot go ---


def _hindered(target: _Target, standing: Sequence[_Standing]) -> dict[uuid.UUID, str]:
    """Return why cards cannot go over, by card. At most one query."""
    found = {}
    for each in standing:
        why = _stage_hindrance(target, each.revision_id, each.stage)
        if why is not None:
            found[each.id] = why
    kept = _values_that_may_not_fit(target, {each.revision_id for each in standing})
    for card_id, revision_id, values in kept:
        why = _value_hindrance(target, revision_id, values)
        if why is not None:
            found.setdefault(card_id, why)
    return found


def _stage_hindrance(target: _Target, revision_id: int, stage: Stage) -> str | None:
    """Return why cards on that revision cannot stand in that stage any more; None when they can."""
    if target.definition is None:
        return f"Revision {target.number} has no {target.row.name} any more."
    new = target.definition.find_stage(stage.key)
    if new is None:
        return (
            f"Revision {target.number} has no stage {stage.name}. "
            "Move the card to a stage that it has, then migrate again."
        )
    old = of_revision(revision_id).pipeline(target.row.key).find_stage(stage.key)
    # A closed stage may have become an open one, or back, while no card stood in it.
    before = old.kind if old else stage.kind
    if new.kind != before:
        return (
            f"{new.name} is '{before}' for this card and '{new.kind}' in revision {target.number}. "
            "Move the card to another stage, then migrate again."
        )
    return None


def _values_that_may_not_fit(
    target: _Target, revision_ids: Collection[int]
) -> Iterator[tuple[uuid.UUID, int, Mapping[str, Any]]]:
    suspects = {key for revision_id in revision_ids for key in _retyped(target, revision_id)}
    if not suspects:
        return
    rows = db.session.execute(
        select(Card.id, Card.revision_id, Card.fields).where(
            Card.pipeline_id == target.row.id,
            Card.revision_id.in_(list(revision_ids)),
            Card.fields.op("?|")(array(sorted(suspects))),
            *_on_board(),
        )
    )
    for row in rows:
        yield row.id, row.revision_id, row.fields


def _retyped(target: _Target, revision_id: int) -> list[str]:
    """Return the card fields of the target that are of another type in that revision, or not in it."""
    old = of_revision(revision_id).fields
    return [
        field.key
        for field in target.playbook.fields.values()
        if field.of == "card"
        and (
            field.key not in old
            or old[field.key].type != field.type
            or _columns(old[field.key]) != _columns(field)
        )
    ]


def _columns(field: FieldDef) -> list[tuple[str, str]]:
    return [(column.key, column.type) for column in field.columns]


def _value_hindrance(target: _Target, revision_id: int, values: Mapping[str, Any]) -> str | None:
    """Return which values the new revision could not read; None when it can read all."""
    names = [
        target.playbook.fields[key].name
        for key in _retyped(target, revision_id)
        if key in values and not _fits(target.playbook, key, values[key])
    ]
    if not names:
        return None
    return (
        f"Revision {target.number} keeps another kind of value in {', '.join(names)}. "
        "Empty it or write what fits, then migrate again."
    )


def _fits(playbook: PlaybookDef, key: str, value: Any) -> bool:
    """Say whether a stored value is of the field's type; bounds and patterns are for who writes next."""
    field = playbook.fields[key]
    columns = tuple(replace(each, required=False, minimum=None, maximum=None) for each in field.columns)
    unbounded = replace(field, minimum=None, maximum=None, pattern=None, columns=columns)
    if field.type == "table" and not _keeps_every_cell(field, value):
        return False
    try:
        read_value(unbounded, value if isinstance(value, str | list) else str(value))
    except ValueRefused:
        return False
    return True


def _keeps_every_cell(field: FieldDef, value: Any) -> bool:
    """Say whether no row has a cell that the field lacks a column for: saving would lose it."""
    known = {column.key for column in field.columns}
    return isinstance(value, list) and all(isinstance(row, dict) and row.keys() <= known for row in value)


# --- what becomes of gates ---


def _turns(target: _Target, card_ids: Sequence[uuid.UUID]) -> GateTurns:
    closing = opening = 0
    for start in range(0, len(card_ids), BATCH):
        for before, after in _ways_forward(target, card_ids[start : start + BATCH]):
            closing += before and not after
            opening += after and not before
    return GateTurns(closing, opening)


def _ways_forward(target: _Target, card_ids: Sequence[uuid.UUID]) -> Iterator[tuple[bool, bool]]:
    """Tell whether each card's gate is open now, and whether it would be; cards without one are left out."""
    found = subjects_of(card_ids)
    questions = [(forward_question(each), forward_question(_carried_over(target, each))) for each in found]
    pairs = [(old, new) for old, new in questions if old is not None and new is not None]
    before = evaluate([old for old, _ in pairs])
    after = evaluate([new for _, new in pairs])
    for old, new in zip(before, after, strict=True):
        yield old.is_open, new.is_open


def _carried_over(target: _Target, subject: Subject) -> Subject:
    """Return the card as it would stand on the target's revision."""
    assert target.definition is not None
    stage = target.definition.stage(subject.stage.key)
    return replace(subject, playbook=target.playbook, pipeline=target.definition, stage=stage)


# --- doing it ---


def _migrate_one(
    card_id: uuid.UUID, target: _Target, actor: Actor, channel: str, migrated: int
) -> Literal["migrated", "staying", "gone"]:
    with transaction():
        _hold_revision(target, migrated)
        try:
            subject = lock_subject(card_id, writes_account=False)
        except NotFound:
            return "gone"
        card = subject.card
        if card.archived_at is not None or card.revision_id == target.revision_id:
            return "gone"
        stage = db.session.get_one(Stage, card.stage_id)
        if _stage_hindrance(target, card.revision_id, stage) or _value_hindrance(
            target, card.revision_id, card.fields
        ):
            return "staying"
        _take_over(subject, target, actor, channel)
        return "migrated"


def _hold_revision(target: _Target, migrated: int) -> None:
    """Keep the current revision current until the transaction ends; publishing waits meanwhile."""
    current = db.session.scalar(
        select(Playbook.current_revision_id)
        .where(Playbook.key == target.row.playbook_key)
        .with_for_update(read=True)
    )
    if current != target.revision_id:
        went = "1 card" if migrated == 1 else f"{migrated:,} cards"
        raise Conflict(
            f"Another revision was published meanwhile. {went} went over to revision {target.number} "
            "before it; look at what the newer one changes, and migrate again."
        )


def _take_over(subject: Subject, target: _Target, actor: Actor, channel: str) -> None:
    card, before = subject.card, subject.card.revision_id
    card.revision_id = target.revision_id
    db.session.flush()
    subject = get_subject(card.id)
    tasks = _missing_tasks(subject)
    make_tasks(subject, replace(subject.stage, tasks=tasks), subject.visit.id, now())
    record_card_event(
        subject,
        "card.revision.changed",
        actor,
        channel,
        {
            "changes": {
                "revision": {"name": "Revision", "before": _number_of(before), "after": target.number}
            },
            "before": before,
            "after": target.revision_id,
            "visit": subject.visit.id,
            "tasks": [{"key": task.key, "what": task.title} for task in tasks],
        },
    )
    db.session.flush()
    refresh_summary(subject)
    touch_card(card, actor)


def _missing_tasks(subject: Subject) -> tuple[Any, ...]:
    """Return the tasks that the stage's gate names and the card was never given.

    They are made on entering a stage, and a check of one that does not exist could never be met.
    """
    named = _tasks_named(subject.stage)
    if not named:
        return ()
    given = {
        task.key for task in tasks_by_card([subject.id]).get(subject.id, []) if task.cancelled_at is None
    }
    return tuple(task for task in subject.stage.tasks if task.key in named - given)


def _tasks_named(stage: StageDef) -> set[str]:
    if not stage.is_open:
        return set()
    return {check.params.name for check in stage.leave if check.type == "task"}


def _number_of(revision_id: int) -> int:
    return db.session.scalars(select(PlaybookRevision.number).where(PlaybookRevision.id == revision_id)).one()
