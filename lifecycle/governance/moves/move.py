"""Moving a card: the one function that every path calls (E5).

It locks the card, compares the visit the caller saw, finds the way, runs the gate, finishes one visit and
opens the next, and writes the event, in the caller's transaction. It never commits.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lifecycle.core.clock import is_pretending, now
from lifecycle.core.db import after_commit, db, insert_row, written_together
from lifecycle.core.errors import Invalid
from lifecycle.core.metrics import count_move
from lifecycle.governance.cards.change import touch_card
from lifecycle.governance.cards.edit import record_card_event, set_fields
from lifecycle.governance.cards.limits import hold_room, may_exceed, with_room
from lifecycle.governance.cards.subjects import lock_to_enter
from lifecycle.governance.cards.summary import refresh_summary
from lifecycle.governance.cards.waiting import open_pause
from lifecycle.governance.gates.evaluate import GateQuestion, evaluate
from lifecycle.governance.gates.report import GateReport as Report
from lifecycle.governance.gates.subject import Subject, field_value
from lifecycle.governance.gates.way import Way, find_way, way_out_of_retired
from lifecycle.governance.moves.answers import Answers, may_save_to_account, read_answers
from lifecycle.governance.moves.assign import owner_on_entry
from lifecycle.governance.moves.effects import begin_stay, leave_behind
from lifecycle.governance.moves.outcome import UNDO_WINDOW, Blocked, Moved, Stale
from lifecycle.governance.moves.visits import (
    after,
    cancel_open_tasks,
    finish_visit,
    make_tasks,
    open_visit,
    stand_in,
)
from lifecycle.governance.sla.clock import deadline
from lifecycle.records.cards.models import GateReport
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import require


def move_card(
    card_id: uuid.UUID,
    to_stage: str,
    *,
    actor: Actor,
    channel: str,
    seen_visit: int,
    answers: Mapping[str, Any] | None = None,
    reason: str = "",
    override: bool = False,
    over_limit: bool = False,
) -> Moved | Blocked | Stale:
    """Move a card to another stage if its gate allows it.

    Args:
        to_stage: the stage's key.
        channel: board, keyboard, menu, page, bulk, api, rule, import or sync; kept with the visit.
        seen_visit: the stage visit the caller saw; another one means that somebody was faster.
        answers: as typed, by question key (E7).
        override: go backward where no edge leads; needs the permission and a reason (E2).
        over_limit: enter a stage that is full; needs the permission and a reason (E26).

    Returns:
        Moved, Blocked (nothing about the card was written; the attempt is on record) or Stale.

    Raises:
        NotFound, NotPermitted, Invalid (archived, or no such stage).
    """
    require(actor, "cards.move")
    subject, entrance = lock_to_enter(
        card_id, to_stage, writes_account=lambda playbook: may_save_to_account(playbook, to_stage)
    )
    if subject.card.archived_at is not None:
        raise Invalid("This card is archived. Restore it first; nothing was changed.")
    if subject.card.visit_id != seen_visit:
        _count(subject, "stale")
        return _stale(subject)
    way = _way(subject, to_stage, actor, override)
    given = read_answers(subject, way, answers or {}, reason)
    subject = given.applied_to(subject)
    assert entrance is not None, "a stage of the playbook has its row"
    stage_id = entrance.stage_id
    report = evaluate([GateQuestion(subject, way.to_stage, way.checks)])[0]
    over = (given.reason or "") if over_limit and may_exceed(actor) else ""
    room = hold_room(stage_id) if entrance.limit is not None else None
    if over_limit and room is not None and room.is_closed and not given.reason:
        given.errors.setdefault("reason", "Give a reason for exceeding the limit.")
    report = with_room(report, room, over=over)
    is_open = report.is_open and not way.refusal and not given.errors
    # One moment for the gate and the move: a clock that is set back in between must not put the gate last.
    at = after(subject.visit)
    report_id = _keep_report(subject, way, stage_id, report, actor, channel, at, passed=is_open)
    if not is_open:
        _count(subject, "refused" if way.refusal else "blocked")
        return Blocked(subject, way, report, dict(answers or {}), given.errors, reason)
    _count(subject, "moved")
    return _advance(subject, way, stage_id, report, report_id, given, actor, channel, at)


def _count(subject: Subject, outcome: str) -> None:
    if not is_pretending():
        slug = subject.pipeline.slug
        after_commit(lambda: count_move(slug, outcome))


def _way(subject: Subject, to_stage: str, actor: Actor, override: bool) -> Way:
    if subject.pipeline.find_stage(to_stage) is None:
        raise Invalid("This card's playbook has no such stage. Nothing was changed.")
    if to_stage == subject.stage.key:
        raise Invalid(f"The card is already in {subject.stage.name}. Nothing was changed.")
    if subject.pipeline.find_stage(subject.stage.key) is None:
        return way_out_of_retired(subject.pipeline, subject.stage, subject.pipeline.stage(to_stage), actor)
    return find_way(subject.pipeline, subject.stage.key, to_stage, actor, override=override)


def _stale(subject: Subject) -> Stale:
    mover = db.session.get(User, subject.visit.entered_by) if subject.visit.entered_by else None
    name = mover.name if mover else "The system"
    return Stale(subject.card.id, subject.stage, name, subject.visit.entered_at)


def _keep_report(
    subject: Subject,
    way: Way,
    stage_id: int,
    report: Report,
    actor: Actor,
    channel: str,
    at: datetime,
    *,
    passed: bool,
) -> int:
    results: list[Any] = report.as_evidence()
    if way.refusal:
        results.append({"check": "way", "type": "way", "state": "blocked", "sentence": way.refusal})
    return insert_row(
        GateReport,
        at=at,
        card_id=subject.card.id,
        from_visit_id=subject.visit.id,
        to_stage_id=stage_id,
        revision_id=subject.card.revision_id,
        actor_id=actor.user_id,
        channel=channel,
        edge_kind=way.kind,
        outcome="passed" if passed else "blocked",
        results=results,
    )


def _advance(
    subject: Subject,
    way: Way,
    stage_id: int,
    report: Report,
    report_id: int,
    given: Answers,
    actor: Actor,
    channel: str,
    at: datetime,
) -> Moved:
    card, target = subject.card, way.to_stage
    before = state_before(subject, list(given.fields))
    leaving = finish_visit(subject, actor, channel, at)
    leave_behind(subject, target, at)
    set_fields(subject, given.fields, actor, channel)
    card.owner_id = owner_on_entry(target, subject.account, card.owner_id)
    card.department_key = target.department or card.department_key
    visit_id = open_visit(
        card_id=card.id,
        number=subject.visit.number + 1,
        stage_id=stage_id,
        revision_id=card.revision_id,
        owner_id=card.owner_id,
        department=card.department_key,
        at=at,
        actor=actor,
        channel=channel,
        edge=way.kind,
        due_at=deadline(subject.playbook, target, at),
        reason=given.reason,
        answers=given.values,
        gate_report_id=report_id,
        leaving=leaving,
    )
    stand_in(subject, target, stage_id, visit_id, at)
    if not target.is_open:
        cancel_open_tasks(card.id, at)
    # From now on even where the move had to be dated later: who waits for the window waits by the clock.
    undo_until = min(at, now()) + UNDO_WINDOW
    waits_until = undo_until if actor.user_id is not None and not is_pretending() else None
    entered = _standing_in(subject, target, visit_id, at)
    with written_together():
        tasks = make_tasks(subject, target, visit_id, at)
        _record_move(subject, entered, way, report, report_id, before, given, actor, channel, waits_until)
        begin_stay(entered, tasks, actor, channel, waits_until)
        touch_card(card, actor)
    # The card is written once, at the end; whatever else has changed the summary must see.
    if db.session.new or any(each is not card for each in db.session.dirty):
        db.session.flush()
    with db.session.no_autoflush:
        refresh_summary(entered)
    board = subject.pipeline.slug
    return Moved(card.id, card.title, board, way.from_stage, target, visit_id, report, undo_until)


def _standing_in(subject: Subject, stage: Any, visit_id: int, at: datetime) -> Subject:
    from_visit = subject.visit
    visit = type(from_visit)(id=visit_id, card_id=from_visit.card_id, entered_at=at)
    return Subject(
        subject.card,
        subject.account,
        visit,
        subject.playbook,
        subject.pipeline,
        stage,
        subject.now,
        began_at=at,
    )


def state_before(subject: Subject, fields: list[str]) -> dict[str, Any]:
    """Return what an undo of the move must put back."""
    card = subject.card
    pause = open_pause(subject.visit.id) if card.waiting_on_client else None
    return {
        "owner": card.owner_id,
        "department": card.department_key,
        "next_action": card.next_action,
        "next_action_due_at": card.next_action_due_at,
        "next_action_assignee": card.next_action_assignee_id,
        "sla_due_at": card.sla_due_at,
        "board_order": card.board_order,
        "client_status": card.client_status,
        "waiting": {"since": pause.started_at, "by": pause.started_by, "reason": pause.reason}
        if pause
        else None,
        "fields": {key: field_value(subject.playbook.fields[key], card, subject.account) for key in fields},
    }


def _record_move(
    subject: Subject,
    entered: Subject,
    way: Way,
    report: Report,
    report_id: int,
    before: dict[str, Any],
    given: Answers,
    actor: Actor,
    channel: str,
    undo_until: datetime | None,
) -> None:
    record_card_event(
        subject,
        "card.stage.entered",
        actor,
        channel,
        {
            "from": {"stage": way.from_stage.key, "name": way.from_stage.name, "visit": subject.visit.id},
            "to": {"stage": way.to_stage.key, "name": way.to_stage.name, "visit": entered.visit.id},
            "edge": way.kind,
            "gate_report": report_id,
            "gate": [f"{result.key}: {result.state}" for result in report.results],
            "waived": [result.key for result in report.results if result.state == "waived"],
            "answers": given.values,
            "revision": subject.card.revision_id,
            "before": before,
        },
        reason=given.reason,
        now_as=entered,
        undo_until=undo_until,
    )
