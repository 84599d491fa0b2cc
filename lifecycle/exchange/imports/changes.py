"""Rows about cards that are on the board already: what changed since the last import, and how it gets in.

A row that says what it said last time changes nothing, whatever people did with the card since. What did
change is written as a person would write it: fields by the editing frame, the stage by `move_card`, so that
gates hold.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from lifecycle.core.db import db
from lifecycle.core.errors import Refusal
from lifecycle.exchange.imports.rows import PlannedCard
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import record_card_event, set_fields
from lifecycle.governance.cards.subjects import get_subject, subjects_of
from lifecycle.governance.gates.evaluate import GateQuestion, evaluate
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.gates.way import find_way
from lifecycle.governance.language.model import PipelineDef
from lifecycle.governance.moves.answers import read_answers
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Moved, Stale
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import Actor
from lifecycle.records.playbooks.models import Stage

_TAKEN = ("card.imported", "card.import.changed")


@dataclass(frozen=True)
class KnownCard:
    """A card on the board that a row names, and what the last import took of its row."""

    id: uuid.UUID
    stage: str
    visit_id: int
    is_archived: bool
    import_id: int | None
    taken: Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """What a row says otherwise than last time. `details` are title and value; `stage` is where to go."""

    details: Mapping[str, Any]
    fields: Mapping[str, Any]
    stage: str | None

    def __bool__(self) -> bool:
        return bool(self.details or self.fields or self.stage)


@dataclass(frozen=True)
class Effect:
    """What came of a changed row; `sentences` say what was refused."""

    edited: bool = False
    moved: bool = False
    sentences: Sequence[str] = ()


def known_cards(pipeline_id: int, external_ids: Sequence[str], import_id: int) -> dict[str, KnownCard]:
    """Return the cards of a board by external id. Two queries.

    What import `import_id` itself has taken of a row counts before what a later one took: a run that goes on
    after a kill must not do again what it did, over what came since.
    """
    rows = db.session.execute(
        select(Card.external_id, Card.id, Stage.key, Card.visit_id, Card.archived_at, Card.import_id)
        .join(Stage, Stage.id == Card.stage_id)
        .where(
            Card.pipeline_id == pipeline_id,
            Card.external_id.in_(external_ids),
            Card.withdrawn_at.is_(None),
        )
    ).all()
    taken = _last_taken([row.id for row in rows], import_id)
    return {
        row.external_id: KnownCard(
            row.id, row.key, row.visit_id, row.archived_at is not None, row.import_id, taken.get(row.id, {})
        )
        for row in rows
    }


def _last_taken(card_ids: Sequence[uuid.UUID], import_id: int) -> dict[uuid.UUID, dict[str, Any]]:
    if not card_ids:
        return {}
    is_own = func.coalesce(Event.body["data"]["import"].as_integer() == import_id, False)
    latest = (
        select(Event.card_id, Event.body["data"]["taken"].label("taken"))
        .where(Event.card_id.in_(card_ids), Event.kind.in_(_TAKEN))
        .order_by(Event.card_id, is_own.desc(), Event.seq.desc())
        .ext(distinct_on(Event.card_id))
    )
    return {card_id: taken or {} for card_id, taken in db.session.execute(latest) if card_id is not None}


def difference(planned: PlannedCard, known: KnownCard) -> Difference:
    """Return what the row says otherwise than when it was last taken."""
    says, said = planned.taken(), known.taken
    details = {
        key: says[key]
        for key in ("title", "value_amount", "value_currency")
        if key not in said or says[key] != said[key]
    }
    fields_said = said.get("fields", {})
    fields = {
        key: value
        for key, value in planned.fields.items()
        if key not in fields_said or fields_said[key] != value
    }
    fields |= {key: None for key in fields_said if key not in planned.fields}
    stage = planned.stage if says["stage"] != said.get("stage") and planned.stage != known.stage else None
    return Difference(details, fields, stage)


def apply_difference(
    planned: PlannedCard, known: KnownCard, change: Difference, *, import_id: int, actor: Actor
) -> Effect:
    """Write a changed row in the open transaction.

    A blocked move leaves the card where it is and its attempt on record; what was edited stays.

    Raises:
        Refusal: nothing of the row can be taken (the card is archived or closed, or is gone).
    """
    subject = get_subject(known.id)
    taken = {**known.taken}
    outcome: Moved | Blocked | Stale | None = None
    edits = bool(change.details or change.fields)
    # A closed card is reopened before it is edited; an open one is edited before its gate is asked.
    move_first = not subject.stage.is_open
    if change.stage and move_first:
        outcome = _move(subject, planned, known, change.stage, actor)
    if edits and (outcome is None or isinstance(outcome, Moved)):
        with changing_card(known.id, actor) as held:
            _edit(held, change, actor)
        taken |= {**planned.taken(), "stage": known.taken.get("stage")}
    if change.stage and not move_first:
        outcome = _move(subject, planned, known, change.stage, actor)
    if outcome is None or isinstance(outcome, Moved):
        taken["stage"] = planned.stage
    record_card_event(
        get_subject(known.id), "card.import.changed", actor, "import",
        {"import": import_id, "row": planned.row, "taken": taken, "source": dict(planned.kept)},
    )  # fmt: skip
    return Effect(edits, isinstance(outcome, Moved), _sentences(outcome))


def _move(
    subject: Subject, planned: PlannedCard, known: KnownCard, stage: str, actor: Actor
) -> Moved | Blocked | Stale:
    answers = _answers(subject.pipeline, known.stage, stage, planned.fields)
    return move_card(
        known.id, stage, actor=actor, channel="import", seen_visit=known.visit_id, answers=answers
    )


def _answers(
    pipeline: PipelineDef, from_stage: str, to_stage: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return answers to the move's questions, from the fields that they are kept in."""
    edge = pipeline.edge(from_stage, to_stage)
    end = pipeline.find_stage(to_stage)
    questions = (end.asks if end else ()) + (edge.asks if edge else ())
    return {
        question.key: fields[question.saves]
        for question in questions
        if question.saves and question.saves in fields
    }


def _edit(subject: Subject, change: Difference, actor: Actor) -> None:
    set_fields(subject, change.fields, actor, channel="import")
    after = dict(change.details)
    if "value_amount" in after:
        after["value_amount"] = Decimal(after["value_amount"]) if after["value_amount"] is not None else None
    if "value_amount" in after or "value_currency" in after:
        # The two go together or not at all.
        after.setdefault("value_amount", subject.card.value_amount)
        after.setdefault("value_currency", subject.card.value_currency)
        if after["value_amount"] is None:
            after["value_currency"] = None
    changes = {
        key: {"before": getattr(subject.card, key), "after": value}
        for key, value in after.items()
        if getattr(subject.card, key) != value
    }
    if changes:
        record_card_event(subject, "card.details.changed", actor, "import", {"changes": changes})
        for key, each in changes.items():
            setattr(subject.card, key, each["after"])


def _sentences(outcome: Moved | Blocked | Stale | None) -> list[str]:
    if isinstance(outcome, Stale):
        return [outcome.sentence]
    if isinstance(outcome, Blocked):
        target = outcome.way.to_stage.name
        return [f"The card stays where it is; {target} is not open to it: {' '.join(outcome.sentences)}"]
    return []


def foresee(changes: Sequence[tuple[PlannedCard, KnownCard, Difference]], actor: Actor) -> dict[int, Effect]:
    """Return what would come of changed rows, by row number, without writing anything."""
    subjects = {subject.id: subject for subject in subjects_of(known.id for _, known, _ in changes)}
    effects: dict[int, Effect] = {}
    for planned, known, change in changes:
        edits = bool(change.details or change.fields)
        subject = subjects.get(known.id)
        if subject is None or known.is_archived:
            effects[planned.row] = Effect(sentences=[ARCHIVED])
        elif edits and not subject.stage.is_open and not change.stage:
            effects[planned.row] = Effect(
                sentences=[f"This card is closed ({subject.stage.name}). Reopen it first."]
            )
        elif change.stage is None:
            effects[planned.row] = Effect(edited=edits)
        else:
            sentences = _foreseen_refusals(subject, planned, known, change, actor)
            effects[planned.row] = Effect(edits, not sentences, sentences)
    return effects


ARCHIVED = "This card is archived. Restore it first."


def _foreseen_refusals(
    subject: Subject, planned: PlannedCard, known: KnownCard, change: Difference, actor: Actor
) -> list[str]:
    assert change.stage is not None
    if subject.pipeline.find_stage(change.stage) is None or subject.pipeline.find_stage(known.stage) is None:
        return ["This card runs on a revision of its playbook that has no such stage."]
    way = find_way(subject.pipeline, known.stage, change.stage, actor, override=False)
    given = read_answers(
        subject, way, _answers(subject.pipeline, known.stage, change.stage, planned.fields), ""
    )
    proposed = replace(subject, proposed={**change.fields, **given.fields})
    report = evaluate([GateQuestion(proposed, way.to_stage, way.checks)])[0]
    refusals = [way.refusal] if way.refusal else []
    sentences = [*refusals, *given.errors.values(), *(result.sentence for result in report.blocked)]
    if not sentences:
        return []
    return [f"The card stays where it is; {way.to_stage.name} is not open to it: {' '.join(sentences)}"]


def refusal_of(error: Refusal) -> Effect:
    """Return the effect of a row that was refused as a whole."""
    return Effect(sentences=[error.sentence])


def count_moved_since(import_id: int) -> int:
    """Return how many of an import's cards people moved or edited after it."""
    return db.session.scalars(
        select(func.count())
        .select_from(Card)
        .where(Card.import_id == import_id, Card.withdrawn_at.is_(None), Card.version > 1)
    ).one()
