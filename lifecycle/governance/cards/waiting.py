"""Waiting on the client: the clock stands still, and both times are kept (E11)."""

from __future__ import annotations

from sqlalchemy import select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.moves.order import board_order
from lifecycle.governance.sla.alerts import sla_plans
from lifecycle.governance.sla.clock import resume
from lifecycle.records.cards.models import SlaPause
from lifecycle.records.people.actor import Actor
from lifecycle.records.reminders.record import plan_reminders


def start_waiting(subject: Subject, actor: Actor, reason: str) -> None:
    """Stop the visit's clock because the client must answer first.

    Raises:
        Invalid: no reason given, or it is waiting already.
    """
    text = clean_text(reason)[:500]
    if not text:
        raise Invalid("Say what the client must do.", {"reason": "Say what the client must do."})
    if subject.card.waiting_on_client:
        raise Invalid("This card is already waiting on the client.")
    db.session.add(SlaPause(visit_id=subject.visit.id, reason=text, started_by=actor.user_id))
    subject.card.waiting_on_client = True
    subject.card.is_paused = subject.card.sla_due_at is not None
    record_card_event(subject, "card.waiting.started", actor, "page", reason=text)


def stop_waiting(subject: Subject, actor: Actor) -> None:
    """Let the clock run again; the deadline moves by the business time that was waited."""
    pause = open_pause(subject.visit.id)
    if pause is None:
        return
    at = now()
    pause.ended_at, pause.ended_by = at, actor.user_id
    card = subject.card
    if card.sla_due_at is not None:
        due = resume(subject.playbook, subject.stage, card.sla_due_at, pause.started_at, at)
        card.sla_due_at = subject.visit.sla_due_at = due
        card.board_order = board_order(subject.stage, due, at)
    card.waiting_on_client = card.is_paused = False
    # A new deadline has new alerts; those of the old one find that it moved.
    plan_reminders(card.id, list(sla_plans(subject)))
    data = {"since": pause.started_at, "due_at": card.sla_due_at}
    record_card_event(subject, "card.waiting.ended", actor, "page", data, reason=pause.reason)


def open_pause(visit_id: int) -> SlaPause | None:
    """Return the pause that a visit is in, or None."""
    return db.session.scalar(
        select(SlaPause).where(SlaPause.visit_id == visit_id, SlaPause.ended_at.is_(None))
    )
