"""The receiving team's answer to a handoff: accepted, or returned with a reason."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid, NotFound, NotPermitted
from lifecycle.governance.cards.change import changing_card, touch_card
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.cards.summary import refresh_summary
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.handoffs.offer import CHANNEL, describe, offer_handoff
from lifecycle.governance.language.model import StageDef
from lifecycle.governance.requests.ask import ask_at_gate
from lifecycle.governance.rules.actions import HandoffParams
from lifecycle.records.cards.models import Card
from lifecycle.records.inbox.record import tell
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can, holds_role
from lifecycle.work.client_requests.queries import requests_by_card
from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.tasks.record import add_task


@contextmanager
def holding_both(handoff_id: uuid.UUID) -> Iterator[Handoff]:
    """Hold both cards of a handoff, in the one order in which everybody takes them.

    Raises:
        NotFound: there is no such handoff.
    """
    handoff = get_handoff(handoff_id)
    pair = sorted((handoff.from_card_id, handoff.to_card_id))
    db.session.execute(sa.select(Card.id).where(Card.id.in_(pair)).order_by(Card.id).with_for_update())
    yield get_handoff(handoff_id)


def get_handoff(handoff_id: uuid.UUID) -> Handoff:
    """Return a handoff as the database has it now. Raises NotFound."""
    handoff = db.session.get(Handoff, handoff_id, populate_existing=True)
    if handoff is None or handoff.state == "withdrawn":
        raise NotFound("There is no such handoff.")
    return handoff


def accept_handoff(handoff_id: uuid.UUID, actor: Actor) -> Handoff:
    """Accept a handoff for the receiving team, in the caller's transaction.

    Raises:
        NotFound; NotPermitted: somebody of another department; Conflict: it is answered already.
    """
    with holding_both(handoff_id) as handoff:
        _require_receiver(handoff, actor)
        _require_offered(handoff)
        handoff.state, handoff.answered_at, handoff.answered_by = "accepted", now(), actor.user_id
        with changing_card(handoff.to_card_id, actor, allow_closed=True) as subject:
            record_card_event(subject, "card.handoff.accepted", actor, CHANNEL, describe(handoff))
            if subject.stage.client_gate and not requests_by_card([subject.id]).get(subject.id):
                ask_at_gate(subject, actor, CHANNEL)
        giver = _bring_up_to_date(handoff, actor)
        _tell_giver(
            giver, handoff, f"{giver.playbook.name_of(handoff.to_department)} accepted {giver.card.title}"
        )
    return handoff


def return_handoff(handoff_id: uuid.UUID, actor: Actor, reason: str) -> Handoff:
    """Return a handoff: the receiving card leaves its board, and whoever gave it gets a task with the reason.

    Raises:
        NotFound; NotPermitted; Conflict: it is answered already; Invalid: no reason.
    """
    text = clean_text(reason, keep_lines=True)[:2000]
    with holding_both(handoff_id) as handoff:
        _require_receiver(handoff, actor)
        _require_offered(handoff)
        if not text:
            raise Invalid("Say what is missing.", {"reason": "Say what is missing."})
        handoff.state, handoff.reason = "returned", text
        handoff.answered_at, handoff.answered_by = now(), actor.user_id
        with changing_card(handoff.to_card_id, actor, allow_closed=True) as subject:
            record_card_event(
                subject, "card.handoff.returned", actor, CHANNEL, describe(handoff), reason=text
            )
            subject.card.archived_at = subject.card.archived_at or now()
        giver = get_subject(handoff.from_card_id)
        record_card_event(giver, "card.handoff.returned", actor, CHANNEL, describe(handoff), reason=text)
        if giver.stage.is_open:
            add_task(
                giver.card.id,
                giver.visit.id,
                f"Mend the handoff: {text}"[:300],
                assignee_id=giver.card.owner_id,
                due_at=now() + timedelta(days=1),
            )
        giver = _bring_up_to_date(handoff, actor)
        receiver = giver.playbook.name_of(handoff.to_department)
        _tell_giver(giver, handoff, f"{receiver} returned {giver.card.title}", body=text, tone="act")
    return handoff


def hand_over_again(card_id: uuid.UUID, to_pipeline: str, actor: Actor, note: str) -> Handoff:
    """Hand a card over, now or again, as its stage declares it; in the caller's transaction.

    Raises:
        Invalid: its stage hands nothing over there.
    """
    handoff = db.session.scalar(
        sa.select(Handoff).where(Handoff.from_card_id == card_id, Handoff.to_pipeline == to_pipeline)
    )
    pair = sorted({card_id, *([handoff.to_card_id] if handoff else [])})
    db.session.execute(sa.select(Card.id).where(Card.id.in_(pair)).order_by(Card.id).with_for_update())
    with changing_card(card_id, actor) as subject:
        params = declared_handoff(subject, to_pipeline)
        if params is None:
            raise Invalid("This stage hands nothing over there.")
        found = offer_handoff(subject, params, actor, clean_text(note, keep_lines=True)[:2000] or None)
    if handoff is not None:
        with changing_card(found.to_card_id, actor):
            pass
    return found


def declared_handoff(subject: Subject, to_pipeline: str) -> HandoffParams | None:
    """Return how a card's playbook hands it to a pipeline, on entering its stage or by a rule; or None."""
    return next((p for p in _declared(subject, subject.stage) if p.to == to_pipeline), None)


def _declared(subject: Subject, stage: StageDef) -> Iterator[HandoffParams]:
    for action in stage.on_enter:
        if isinstance(action.params, HandoffParams):
            yield action.params
    for rule in subject.playbook.rules:
        here = not rule.trigger.pipelines or subject.pipeline.key in rule.trigger.pipelines
        if here and (not rule.trigger.stages or stage.key in rule.trigger.stages):
            yield from (a.params for a in rule.actions if isinstance(a.params, HandoffParams))


def _require_receiver(handoff: Handoff, actor: Actor) -> None:
    if not (holds_role(actor, handoff.to_department) or can(actor, "cards.override")):
        raise NotPermitted("Only the receiving department, or a manager, may answer a handoff.")


def _require_offered(handoff: Handoff) -> None:
    if handoff.state != "offered":
        raise Conflict(f"This handoff was {handoff.state} already. Nothing was changed.")


def _bring_up_to_date(handoff: Handoff, actor: Actor) -> Subject:
    """Let the giving card's face and gate show the answer; return it."""
    db.session.flush()
    giver = get_subject(handoff.from_card_id)
    refresh_summary(giver)
    touch_card(giver.card, actor)
    return giver


def _tell_giver(
    giver: Subject, handoff: Handoff, title: str, *, body: str | None = None, tone: str = "info"
) -> None:
    tell(
        [giver.card.owner_id],
        title=title,
        body=body,
        tone=tone,
        link=f"/cards/{giver.card.id}",
        cause=f"handoff/{handoff.id}/{handoff.round}/{handoff.state}",
        card_id=giver.card.id,
    )
