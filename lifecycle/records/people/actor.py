"""Who does something: a value, so that domain code never reads a request or a session."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from lifecycle.records.people.models import User


@dataclass(frozen=True)
class Actor:
    """A person or a part of the system, with what decides their permissions.

    `user_id` is None for the system. `kind` is "user" or "system".
    """

    user_id: uuid.UUID | None
    name: str
    role: str
    departments: frozenset[str] = frozenset()
    kind: str = "user"

    @classmethod
    def of(cls, user: User) -> Actor:
        """Return the actor for a logged-in user."""
        return cls(
            user_id=user.id,
            name=user.name,
            role=user.role,
            departments=frozenset(department.key for department in user.departments),
        )


SYSTEM = Actor(user_id=None, name="Lifecycle", role="system", kind="system")
