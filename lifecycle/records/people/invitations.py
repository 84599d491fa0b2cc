"""Accepting an invitation: the first log-in of somebody who was invited."""

from __future__ import annotations

from lifecycle.core.clock import now
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.records.people import fields, history, links, passwords
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User

GONE = (
    "This invitation is no longer valid: it was used, withdrawn or replaced, or a week has passed. "
    "Ask the person who invited you to send it again."
)


def find_invited(token: str) -> User:
    """Return who was invited by this link. Changes nothing. Raises NotFound when it is not valid."""
    user = links.find_by_link(token, "invitation")
    if user is None:
        raise NotFound(GONE)
    return user


def accept_invitation(token: str, *, name: str, password: str, time_zone: str, channel: str = "page") -> User:
    """Give the invited user a name, a password and a time zone, and use the link up.

    Raises:
        NotFound: the link is not valid, or somebody was quicker.
        Invalid: a field cannot be taken; the link stays good.
    """
    user = links.use_link(token, "invitation")
    if user is None or user.standing != "invited":
        raise NotFound(GONE)
    if fault := passwords.find_fault(password, user.email):
        raise Invalid(fault, {"password": fault})
    user.name = fields.clean_name(name)
    user.time_zone = fields.clean_time_zone(time_zone)
    user.password_hash = passwords.hash_password(password)
    user.last_login_at = now()
    links.end_links(user)
    history.record("user.invitation.accepted", actor=Actor.of(user), user=user, channel=channel)
    return user
