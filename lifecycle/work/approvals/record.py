"""Writing approvals. The caller holds the card (`changing_card`) and records the event."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound, NotPermitted
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import holds_role
from lifecycle.work.approvals.models import ApprovalDecision, ApprovalRequest
from lifecycle.work.approvals.subject import hash_subject


def request_approval(
    card_id: uuid.UUID,
    visit_id: int,
    *,
    key: str,
    role: str,
    needed: int,
    subject: Mapping[str, Any],
    note: str | None,
    actor: Actor,
) -> ApprovalRequest:
    """Put `subject` to a role; an earlier request for the same is closed."""
    db.session.execute(
        update(ApprovalRequest)
        .where(
            ApprovalRequest.card_id == card_id,
            ApprovalRequest.key == key,
            ApprovalRequest.closed_at.is_(None),
        )
        .values(closed_at=now())
    )
    request = ApprovalRequest(
        card_id=card_id,
        visit_id=visit_id,
        key=key,
        role=role,
        needed=needed,
        note=note,
        subject=dict(subject),
        subject_hash=hash_subject(subject),
        requested_by=actor.user_id,
    )
    db.session.add(request)
    db.session.flush()
    return request


def decide(
    card_id: uuid.UUID, request_id: uuid.UUID, actor: Actor, decision: str, note: str | None
) -> ApprovalRequest:
    """Approve or reject an open request, once a person, and never one's own.

    Raises:
        NotFound: the card has no such request.
        NotPermitted: the actor does not hold the role, or asked for it.
        Invalid: it is closed, already answered by this person, or a rejection without a note.
    """
    request = db.session.get(ApprovalRequest, request_id, populate_existing=True)
    if request is None or request.card_id != card_id:
        raise NotFound("This card has no such approval request.")
    if actor.user_id is None or not holds_role(actor, request.role):
        raise NotPermitted(f"Only {request.role.replace('_', ' ')} may decide this.")
    if request.requested_by == actor.user_id:
        raise NotPermitted("Somebody other than the person who asked must decide.")
    if request.closed_at is not None:
        raise Invalid("This request was replaced by a newer one.")
    if decision not in ("approved", "rejected"):
        raise Invalid("Approve or reject.")
    if decision == "rejected" and not note:
        raise Invalid("Say why you reject it.", {"note": "Say why you reject it."})
    taken = select(ApprovalDecision.id).where(
        ApprovalDecision.request_id == request_id, ApprovalDecision.decided_by == actor.user_id
    )
    if db.session.scalar(taken) is not None:
        raise Invalid("You have decided this already.")
    db.session.add(
        ApprovalDecision(request_id=request_id, decision=decision, note=note, decided_by=actor.user_id)
    )
    db.session.flush()
    return request
