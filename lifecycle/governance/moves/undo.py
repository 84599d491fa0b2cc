"""Undoing a mistaken move: its author, for a minute, while nothing came of it (E23).

The undo is a third visit that continues the first; nothing is erased, and reports skip the pair.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid, NotPermitted
from lifecycle.governance.cards.change import touch_card
from lifecycle.governance.cards.edit import record_card_event, set_fields
from lifecycle.governance.cards.limits import enter
from lifecycle.governance.cards.subjects import lock_subject, stage_of
from lifecycle.governance.cards.summary import refresh_summary
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.moves.answers import may_save_to_account
from lifecycle.governance.moves.effects import take_back_effects
from lifecycle.governance.moves.outcome import UNDO_WINDOW
from lifecycle.governance.moves.visits import (
    after,
    cancel_open_tasks,
    finish_visit,
    hand_on_tasks,
    open_visit,
    revive_tasks,
)
from lifecycle.records.cards.models import Card, SlaPause, StageVisit, Waiver
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.records.playbooks.models import Stage


def undo_move(card_id: uuid.UUID, visit_id: int, *, actor: Actor, channel: str = "page") -> Card:
    """Take back the move that opened `visit_id`, and return the card where it was.

    Raises:
        Conflict: the card moved on since, or work was done in the new stage.
        NotPermitted: somebody else made the move.
        Invalid: the minute is over, the visit was not opened by a move, or the stage is full meanwhile.
    """
    require(actor, "cards.move")
    subject = lock_subject(card_id, writes_account=may_save_to_account)
    if subject.card.archived_at is not None:
        raise Invalid("This card is archived. Restore it first; nothing was changed.")
    visit = subject.visit
    if visit.id != visit_id:
        raise Conflict("The card moved on since; that move cannot be undone any more.")
    if visit.entered_by is None or visit.entered_by != actor.user_id:
        raise NotPermitted("Only the person who made a move can undo it.")
    if now() > visit.entered_at + UNDO_WINDOW:
        raise Invalid("A move can be undone for one minute; move the card back by hand instead.")
    if visit.number == 1 or visit.continues_visit_id is not None or visit.gate_report_id is None:
        raise Invalid("There is no move to undo.")
    return _go_back(subject, _move_of(subject), actor, channel)


def _move_of(subject: Subject) -> dict[str, Any]:
    body: dict[str, Any] | None = db.session.scalar(
        select(Event.body)
        .where(
            Event.card_id == subject.card.id,
            Event.kind == "card.stage.entered",
            Event.body["data"]["to"]["visit"].as_integer() == subject.visit.id,
        )
        .limit(1)
    )
    if body is None:
        raise Invalid("There is no move to undo.")
    data: dict[str, Any] = body["data"]
    return data


def _go_back(subject: Subject, move: dict[str, Any], actor: Actor, channel: str) -> Card:
    card, before = subject.card, move["before"]
    first: StageVisit = db.session.scalars(
        select(StageVisit).where(StageVisit.id == move["from"]["visit"])
    ).one()
    stage = db.session.get_one(Stage, first.stage_id, populate_existing=True)
    enter(stage, actor)
    stage_key = stage.key
    at = after(subject.visit)
    take_back_effects(subject, at)
    cancel_open_tasks(card.id, at, subject.visit.id)
    revive_tasks(card.id, subject.visit)
    leaving = finish_visit(subject, actor, channel, at)
    card.owner_id = uuid.UUID(before["owner"])
    card.department_key = before["department"]
    visit_id = open_visit(
        card_id=card.id,
        number=subject.visit.number + 1,
        stage_id=first.stage_id,
        revision_id=card.revision_id,
        owner_id=card.owner_id,
        department=card.department_key,
        at=at,
        actor=actor,
        channel=channel,
        edge="undo",
        due_at=_moment(before["sla_due_at"]),
        # An undone undo leads back to where the stay began.
        continues_visit_id=first.continues_visit_id or first.id,
        leaving=leaving,
    )
    _keep_waivers(card.id, first.id, visit_id)
    hand_on_tasks(card.id, first.id, visit_id)
    card.stage_id, card.visit_id = first.stage_id, visit_id
    card.sla_due_at = _moment(before["sla_due_at"])
    card.board_order = before["board_order"]
    card.is_paused = card.waiting_on_client = False
    card.client_status = before.get("client_status")
    card.next_action = before["next_action"]
    card.next_action_due_at = _moment(before["next_action_due_at"])
    assignee = before["next_action_assignee"]
    card.next_action_assignee_id = uuid.UUID(assignee) if assignee else None
    _wait_again(card, before["waiting"])
    # A field may be gone with a revision the card was taken over to meanwhile.
    fields = {key: value for key, value in before["fields"].items() if key in subject.playbook.fields}
    set_fields(subject, fields, actor, channel)
    data = {
        "undone_visit": subject.visit.id,
        "continues_visit": first.id,
        "visit": visit_id,
        "back_to": stage_key,
    }
    record_card_event(subject, "card.move.undone", actor, channel, data)
    db.session.flush()
    refresh_summary(_back_in(subject, stage_key, first, visit_id))
    touch_card(card, actor)
    return card


def _keep_waivers(card_id: uuid.UUID, from_visit: int, to_visit: int) -> None:
    # A waiver is good for one stay, and this is the same one.
    for waiver in db.session.scalars(
        select(Waiver).where(Waiver.visit_id == from_visit, Waiver.withdrawn_at.is_(None))
    ):
        db.session.add(
            Waiver(
                card_id=card_id,
                visit_id=to_visit,
                check_key=waiver.check_key,
                reason=waiver.reason,
                given_by=waiver.given_by,
                given_at=waiver.given_at,
            )
        )


def _wait_again(card: Card, waiting: dict[str, str | None] | None) -> None:
    if waiting is None:
        return
    # It began when it began: the deadline will move by the whole wait.
    since = _moment(waiting["since"]) or now()
    by = uuid.UUID(waiting["by"]) if waiting["by"] else None
    db.session.add(
        SlaPause(visit_id=card.visit_id, reason=waiting["reason"], started_by=by, started_at=since)
    )
    card.waiting_on_client, card.is_paused = True, card.sla_due_at is not None


def _back_in(subject: Subject, stage_key: str, first: StageVisit, visit_id: int) -> Subject:
    visit = StageVisit(id=visit_id, card_id=subject.card.id, entered_at=first.entered_at)
    return Subject(
        subject.card,
        subject.account,
        visit,
        subject.playbook,
        subject.pipeline,
        stage_of(subject.pipeline, stage_key),
        subject.now,
        began_at=first.entered_at,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
