"""The stored summary on a card's face: how many of its gate's checks are met."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, update

from lifecycle.core.db import db
from lifecycle.governance.cards.subjects import forward_target, subjects_of
from lifecycle.governance.gates.evaluate import GateQuestion, evaluate
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.gates.way import find_way
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import SYSTEM


def forward_question(subject: Subject) -> GateQuestion | None:
    """Return the question whether the card may go forward; None where forward leads nowhere."""
    target = forward_target(subject.pipeline, subject.stage)
    if target is None or not subject.stage.is_open:
        return None
    way = find_way(subject.pipeline, subject.stage.key, target.key, SYSTEM, override=False)
    return GateQuestion(subject, target, way.checks)


def refresh_summary(subject: Subject) -> None:
    """Write the card's summary from the facts as they stand in this transaction."""
    question = forward_question(subject)
    report = evaluate([question])[0] if question else None
    subject.card.gate_passed = report.passed if report else 0
    subject.card.gate_total = report.total if report else 0


def refresh_summaries(card_ids: Iterable[uuid.UUID]) -> int:
    """Refresh many cards' summaries in a constant number of queries; return how many were wrong."""
    found: Sequence[Subject] = subjects_of(card_ids)
    questions = [question for question in map(forward_question, found) if question]
    wrong = []
    for question, report in zip(questions, evaluate(questions), strict=True):
        card = question.subject.card
        if (card.gate_passed, card.gate_total) != (report.passed, report.total):
            wrong.append({"card": card.id, "passed": report.passed, "total": report.total})
    if wrong:
        cards = Card.__table__
        db.session.connection().execute(
            update(cards)  # type: ignore[arg-type]
            .where(cards.c.id == bindparam("card"))
            .values(gate_passed=bindparam("passed"), gate_total=bindparam("total")),
            wrong,
        )
    return len(wrong)
