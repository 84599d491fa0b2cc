"""Users, departments and the tokens mailed to them."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id

ROLES = ("admin", "manager", "member", "viewer")


class Department(Model):
    """A team that owns stages and has a queue. Playbooks declare them; users belong to them."""

    __tablename__ = "departments"

    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class UserDepartment(Model):
    """One user's membership of one department."""

    __tablename__ = "user_departments"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    department_key: Mapped[str] = mapped_column(ForeignKey("departments.key"), primary_key=True)


class User(Model):
    """A member of staff who can log in; without `password_hash` they were invited and have not come yet."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role in ('admin','manager','member','viewer')", name="role"),
        Index("uq_users_email", func.lower(text("email")), unique=True),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str] = mapped_column(default="member")
    password_hash: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(default="UTC")
    is_active: Mapped[bool] = mapped_column(default=True)
    # Part of the session: raising it signs the person out everywhere.
    session_epoch: Mapped[int] = mapped_column(default=1)
    failed_logins: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    departments: Mapped[list[Department]] = relationship(
        secondary="user_departments", order_by="Department.name", lazy="selectin"
    )

    @property
    def standing(self) -> str:
        """One of active, invited (has not come yet), withdrawn (the invitation was) and deactivated."""
        if self.password_hash is None:
            return "invited" if self.is_active else "withdrawn"
        return "active" if self.is_active else "deactivated"

    # What Flask-Login asks of a user.
    @property
    def is_authenticated(self) -> bool:
        """True: an anonymous visitor is another class."""
        return True

    @property
    def is_anonymous(self) -> bool:
        """False: an anonymous visitor is another class."""
        return False

    def get_id(self) -> str:
        """Return what the session keeps: the id and the epoch it was started in."""
        return f"{self.id}:{self.session_epoch}"


class UserToken(Model):
    """A link mailed to a user: an invitation or a password reset. Only its hash is kept."""

    __tablename__ = "user_tokens"
    __table_args__ = (CheckConstraint("purpose in ('invitation','password_reset')", name="purpose"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
