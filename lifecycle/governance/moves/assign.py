"""Who owns a card when it enters a stage (E9)."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.sql.elements import UnaryExpression

from lifecycle.core.db import db
from lifecycle.governance.language.model import StageDef
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.people.models import User, UserDepartment


def owner_on_entry(stage: StageDef, account: Account, present_owner: uuid.UUID) -> uuid.UUID:
    """Return who owns a card that enters `stage`.

    A rule that finds nobody (an empty department, somebody who left) keeps the present owner: a card is
    never without one.
    """
    if stage.owner_rule == "keep":
        return present_owner
    if stage.owner_rule == "account_owner":
        return _if_working(account.owner_id) or present_owner
    if stage.owner_rule == "round_robin":
        return _first_of_department(stage.department, _last_entry()) or present_owner
    if stage.owner_rule == "least_loaded":
        return _first_of_department(stage.department, _open_cards()) or present_owner
    return _by_email(stage.owner_rule) or present_owner


def assignee_of(rule: str, owner: uuid.UUID) -> uuid.UUID:
    """Return who is given a task: the card's owner, or whoever of the role named has the fewest open cards.

    A role that nobody holds leaves it with the owner: a task is never without somebody.
    """
    if rule == "owner":
        return owner
    department, _, rank = rule.rpartition("_")
    found = _first_of_department(rule, _open_cards())
    if found is None and rank == "manager":
        found = _first_of_department(department, _open_cards(), role="manager")
    return found or owner


def _if_working(user_id: uuid.UUID | None) -> uuid.UUID | None:
    if user_id is None:
        return None
    return db.session.scalar(select(User.id).where(User.id == user_id, User.is_active, User.role != "viewer"))


def _by_email(email: str) -> uuid.UUID | None:
    return db.session.scalar(
        select(User.id).where(func.lower(User.email) == email.lower(), User.is_active, User.role != "viewer")
    )


def _first_of_department(
    department: str, order: UnaryExpression[Any], role: str | None = None
) -> uuid.UUID | None:
    wanted = User.role == role if role else User.role != "viewer"
    return db.session.scalar(
        select(User.id)
        .join(UserDepartment, UserDepartment.user_id == User.id)
        .where(UserDepartment.department_key == department, User.is_active, wanted)
        .order_by(order, User.id)
        .limit(1)
    )


def _last_entry() -> UnaryExpression[Any]:
    last = select(func.max(StageVisit.entered_at)).where(StageVisit.owner_id == User.id).scalar_subquery()
    return last.asc().nulls_first()


def _open_cards() -> UnaryExpression[Any]:
    count = (
        select(func.count())
        .select_from(Card)
        .where(Card.owner_id == User.id, Card.archived_at.is_(None), Card.board_order > 0)
        .scalar_subquery()
    )
    return count.asc()
