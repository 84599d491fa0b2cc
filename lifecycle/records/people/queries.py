"""Reading users and departments."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.models import Department, User, UserToken

PAGE = 100
_STANDINGS: dict[str, tuple[sa.ColumnElement[bool], ...]] = {
    "active": (User.is_active.is_(True), User.password_hash.is_not(None)),
    "invited": (User.is_active.is_(True), User.password_hash.is_(None)),
    "deactivated": (User.is_active.is_(False), User.password_hash.is_not(None)),
    "withdrawn": (User.is_active.is_(False), User.password_hash.is_(None)),
}


@dataclass(frozen=True)
class Invitation:
    """The last invitation of a user: until when its link is good, and what became of the mail."""

    expires_at: datetime | None
    mail_state: str | None
    mail_error: str | None


def list_users(*, search: str = "", standing: str = "", page: int = 1) -> tuple[Sequence[User], int]:
    """Return a page of users by name, and how many there are in all.

    Args:
        search: words of which each is part of the name or the address.
        standing: one of those of `User.standing`, else all.
    """
    conditions = [*_STANDINGS.get(standing, ())]
    for word in search.split():
        part = f"%{_literally(word.lower())}%"
        conditions.append(sa.or_(sa.func.lower(User.name).like(part), sa.func.lower(User.email).like(part)))
    query = sa.select(User).where(*conditions).order_by(sa.func.lower(User.name), User.email, User.id)
    total = db.session.scalar(sa.select(sa.func.count()).select_from(User).where(*conditions)) or 0
    return db.session.scalars(query.limit(PAGE).offset((page - 1) * PAGE)).all(), total


def count_by_standing() -> dict[str, int]:
    """Return how many users there are in each standing."""
    counts = [sa.func.count().filter(*conditions).label(name) for name, conditions in _STANDINGS.items()]
    row = db.session.execute(sa.select(*counts)).one()
    return row._asdict()


def get_user(user_id: uuid.UUID) -> User:
    """Return a user. Raises NotFound."""
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def find_user_by_email(email: str) -> User | None:
    """Return the user with this address, whatever its case, or None."""
    return db.session.scalar(sa.select(User).where(sa.func.lower(User.email) == sa.func.lower(email.strip())))


def get_invitation(user: User) -> Invitation:
    """Return what became of the last invitation of `user`."""
    expires_at = db.session.scalar(
        sa.select(UserToken.expires_at)
        .where(UserToken.user_id == user.id, UserToken.purpose == "invitation", UserToken.used_at.is_(None))
        .order_by(UserToken.created_at.desc())
        .limit(1)
    )
    mail = db.session.execute(
        sa.select(OutboxMessage.state, OutboxMessage.last_error)
        .where(OutboxMessage.user_id == user.id, OutboxMessage.kind == "invitation")
        .order_by(OutboxMessage.created_at.desc())
        .limit(1)
    ).one_or_none()
    return Invitation(expires_at, mail.state if mail else None, mail.last_error if mail else None)


def list_departments() -> Sequence[Department]:
    """Return all departments by name."""
    return db.session.scalars(sa.select(Department).order_by(Department.name)).all()


def _literally(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
