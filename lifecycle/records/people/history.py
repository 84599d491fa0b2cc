"""What is put on record about people: the kinds of events, all on one chain."""

from __future__ import annotations

from typing import Any, Literal

from lifecycle.records.evidence.log import record_event
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User

CHAIN = "users"

# Somebody who has not shown who they are; holds no permission.
VISITOR = Actor(user_id=None, name="Visitor", role="visitor")

UserEvent = Literal[
    "user.session.started",
    "user.session.refused",
    "user.session.ended",
    "user.sessions.ended",
    "user.account.locked",
    "user.account.created",
    "user.account.changed",
    "user.account.deactivated",
    "user.account.reactivated",
    "user.invitation.sent",
    "user.invitation.revoked",
    "user.invitation.accepted",
    "user.password.changed",
    "user.password_reset.requested",
    "user.password_reset.done",
    "user.profile.changed",
]


def record(kind: UserEvent, *, actor: Actor, user: User | None, channel: str = "page", **data: Any) -> None:
    """Put on record that `actor` did something about `user`; needs an open transaction.

    Of the user only the id and what decides permissions are recorded, no name and no address.
    """
    subject = {"user": user.id} if user is not None else {}
    record_event(kind, chain=CHAIN, actor=actor, channel=channel, data=subject | data)


def standing_of(user: User) -> dict[str, Any]:
    """Return what decides somebody's permissions, for a before and an after."""
    return {
        "role": user.role,
        "departments": sorted(department.key for department in user.departments),
        "active": user.is_active,
    }
