"""A forgotten password: a link by mail, good once and for an hour."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.records.people import history, links, mails, passwords
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.log_in import sign_out_everywhere, unlock
from lifecycle.records.people.models import User

GONE = "This link is no longer valid: it was used or replaced, or an hour has passed. Ask for a new one."


def request_password_reset(email: str, *, channel: str = "page") -> None:
    """Mail a link to the active user with this address; do nothing visible when there is none."""
    user = db.session.scalar(
        sa.select(User)
        .where(sa.func.lower(User.email) == sa.func.lower(email.strip()))
        .with_for_update(key_share=True, of=User)
    )
    known = user if user and user.standing == "active" else None
    history.record("user.password_reset.requested", actor=history.VISITOR, user=known, channel=channel)
    if known is not None:
        mails.send_password_reset(known, links.make_link(known, "password_reset"))


def find_resetting(token: str) -> User:
    """Return whose password this link resets. Changes nothing. Raises NotFound when it is not valid."""
    user = links.find_by_link(token, "password_reset")
    if user is None:
        raise NotFound(GONE)
    return user


def reset_password(token: str, *, password: str, channel: str = "page") -> User:
    """Set a new password, use the link up and sign the user out everywhere.

    Raises:
        NotFound: the link is not valid, or was used meanwhile.
        Invalid: the password cannot be taken; the link stays good.
    """
    user = links.use_link(token, "password_reset")
    if user is None or user.standing != "active":
        raise NotFound(GONE)
    set_password(user, password)
    unlock(user)
    history.record("user.password_reset.done", actor=Actor.of(user), user=user, channel=channel)
    return user


def reset_password_by_hand(user_id: uuid.UUID, *, password: str, channel: str) -> User:
    """Set the password of an active user; for those who run the installation.

    Raises:
        NotFound: there is no such user, or they are not active.
    """
    user = db.session.get(
        User, user_id, populate_existing=True, with_for_update={"key_share": True, "of": User}
    )
    if user is None or user.standing != "active":
        raise NotFound("There is no active user with this address.")
    set_password(user, password)
    unlock(user)
    history.record("user.password_reset.done", actor=SYSTEM, user=user, channel=channel)
    return user


def set_password(user: User, password: str) -> None:
    """Give `user` another password, sign them out everywhere and tell them so by mail.

    Raises:
        Invalid: the password cannot be taken; the error stands at `password`.
    """
    if fault := passwords.find_fault(password, user.email):
        raise Invalid(fault, {"password": fault})
    user.password_hash = passwords.hash_password(password)
    sign_out_everywhere(user)
    links.end_links(user)
    mails.send_password_changed(user)
