"""Approvals that the reader can decide, and that are still worth deciding (E18)."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from lifecycle.core.db import db
from lifecycle.governance.cards.subjects import subjects_of
from lifecycle.governance.gates.checks.approval import approval_subject
from lifecycle.governance.gates.subject import Subject
from lifecycle.insight.boards.view import short_span
from lifecycle.insight.work.lines import (
    Line,
    Lines,
    Mark,
    Query,
    Reader,
    Window,
    about_cards,
    card_of,
    is_worked_on,
)
from lifecycle.insight.work.words import joined
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import can, holds_role
from lifecycle.records.playbooks.models import Stage
from lifecycle.work.approvals.models import ApprovalDecision, ApprovalRequest
from lifecycle.work.approvals.subject import hash_subject

MOST: Final = 200
"""How many are looked at: what waits for one person beyond that is not counted."""


def approvals_to_decide(reader: Reader, window: Window) -> Lines:
    """Return the requests that the reader may decide, the longest waiting first. Two queries.

    Left out is what nobody needs decided any more: it was rejected or has enough approvals, the card is past
    the stage that asks, or what was put to the approvers has changed, so that it must be asked again.
    """
    if not can(reader.actor, "cards.edit"):
        return Lines()
    rows = db.session.execute(_query(reader)).all()
    subjects = {subject.id: subject for subject in subjects_of({row.card_id for row in rows})}
    found = [row for row in rows if row.card_id in subjects and _is_current(row, subjects[row.card_id])]
    shown = found[window.offset : window.offset + window.limit]
    return Lines([_line(row, subjects[row.card_id], reader) for row in shown], len(found))


def _query(reader: Reader) -> Query:
    undecided, asked_at = _undecided(reader), aliased(Stage)
    query = about_cards(
        sa.select(ApprovalRequest, User.name.label("asked_by"), undecided.c.approvals)
        .join(undecided, undecided.c.id == ApprovalRequest.id)
        .join(Card, Card.id == ApprovalRequest.card_id)
        .outerjoin(User, User.id == ApprovalRequest.requested_by)
    )
    # The key begins with the stage that asks; a request may outlive the card's stay there.
    asks = sa.and_(
        asked_at.pipeline_id == Card.pipeline_id,
        asked_at.key == sa.func.split_part(ApprovalRequest.key, ".", 1),
    )
    query = query.join(asked_at, asks).where(is_worked_on(), asked_at.position >= Stage.position)
    return query.order_by(ApprovalRequest.requested_at, ApprovalRequest.id).limit(MOST)


def _undecided(reader: Reader) -> sa.CTE:
    """Return the open requests to the reader's roles that they may still decide, with how many approved.

    Found first and on their own: what is joined to them would mislead the database about their number.
    """
    decided = (
        sa.select(
            ApprovalDecision.request_id,
            sa.func.count().filter(ApprovalDecision.decision == "approved").label("approvals"),
            sa.func.bool_or(ApprovalDecision.decision == "rejected").label("is_rejected"),
            sa.func.bool_or(ApprovalDecision.decided_by == reader.user_id).label("is_mine"),
        )
        .group_by(ApprovalDecision.request_id)
        .subquery()
    )
    approvals = sa.func.coalesce(decided.c.approvals, 0)
    return (
        sa.select(ApprovalRequest.id, approvals.label("approvals"))
        .outerjoin(decided, decided.c.request_id == ApprovalRequest.id)
        .where(
            ApprovalRequest.closed_at.is_(None),
            ApprovalRequest.requested_by.is_distinct_from(reader.user_id),
            approvals < ApprovalRequest.needed,
            sa.func.coalesce(decided.c.is_rejected, False).is_(False),
            sa.func.coalesce(decided.c.is_mine, False).is_(False),
            *_of_roles(reader.actor),
        )
        .cte("undecided")
        .prefix_with("MATERIALIZED")
    )


def _of_roles(actor: Actor) -> list[sa.ColumnElement[bool]]:
    """Return the condition that a request is put to a role that the actor holds; none for administrators."""
    if actor.role == "admin":
        return []
    named = {"member", "manager", *actor.departments, *(f"{key}_manager" for key in actor.departments)}
    return [ApprovalRequest.role.in_(sorted(role for role in named if holds_role(actor, role)))]


def _is_current(row: Any, subject: Subject) -> bool:
    request: ApprovalRequest = row.ApprovalRequest
    fields = [key for key in request.subject if key in subject.playbook.fields]
    if len(fields) < len(request.subject) and set(request.subject) != {"value"}:
        return False  # A newer revision has no such field.
    present = approval_subject(subject, fields)
    return hash_subject(present) == request.subject_hash


def _line(row: Any, subject: Subject, reader: Reader) -> Line:
    request: ApprovalRequest = row.ApprovalRequest
    fields = subject.playbook.fields
    names = [_inside_a_sentence(fields[key].name) for key in request.subject if key in fields]
    marks: tuple[Mark, ...] = ()
    if request.needed > 1:
        marks = (Mark("neutral", f"{row.approvals} of {request.needed} approved", "users"),)
    card = card_of(row)
    return Line(
        f"Approve {joined(names) or 'the step'}",
        card.url,
        card,
        since=short_span(reader.at - request.requested_at),
        note=request.note or "",
        who=row.asked_by,
        marks=marks,
    )


def _inside_a_sentence(name: str) -> str:
    """Return a field's name with a small first letter, unless it is an abbreviation like `VAT number`."""
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]
