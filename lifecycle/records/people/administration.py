"""What administrators do about users. Every change is on record with its before and after."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid, NotFound
from lifecycle.records.people import fields, history, links, mails
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.first_admin import take_administration_lock
from lifecycle.records.people.log_in import sign_out_everywhere, unlock
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import require


def invite_user(
    *, email: str, name: str, role: str, departments: Iterable[str], actor: Actor, channel: str = "page"
) -> User:
    """Create a user without password and mail them a link, good once and for a week.

    Raises:
        NotPermitted: `actor` may not manage users.
        Invalid: a field cannot be taken, or the address is in use.
    """
    require(actor, "users.manage")
    take_administration_lock()
    address = fields.clean_email(email)
    known = db.session.scalar(sa.select(User).where(sa.func.lower(User.email) == sa.func.lower(address)))
    if known is not None and known.standing != "withdrawn":
        raise _in_use(known)
    user = known or User(email=address, name="", time_zone=_time_zone_of(actor))
    fields.check_role(role)
    user.name = fields.clean_name(name)
    user.role = role
    user.departments = fields.departments_by_key(departments)
    user.is_active = True
    db.session.add(user)
    db.session.flush()
    _invite(user, actor, channel)
    return user


def resend_invitation(user_id: uuid.UUID, *, actor: Actor, channel: str = "page") -> User:
    """Mail an invited user a new link; the earlier one dies.

    Raises:
        Conflict: the user came already, or the invitation was withdrawn.
    """
    user = _to_manage(user_id, actor)
    if user.standing != "invited":
        raise Conflict(f"{user.name} does not wait for an invitation. Nothing was sent.")
    _invite(user, actor, channel)
    return user


def revoke_invitation(user_id: uuid.UUID, *, actor: Actor, channel: str = "page") -> User:
    """Make an invitation useless; the address can be invited again.

    Raises:
        Conflict: the user came already; deactivate them instead.
    """
    user = _to_manage(user_id, actor)
    if user.standing != "invited":
        raise Conflict(f"{user.name} does not wait for an invitation. Nothing was changed.")
    user.is_active = False
    links.end_links(user)
    history.record("user.invitation.revoked", actor=actor, user=user, channel=channel)
    return user


def change_user(
    user_id: uuid.UUID, *, role: str, departments: Iterable[str], actor: Actor, channel: str = "page"
) -> User:
    """Give a user a role and departments; it holds from their next request.

    Raises:
        Conflict: nobody would be left who administers.
    """
    user = _to_manage(user_id, actor)
    fields.check_role(role)
    before = history.standing_of(user)
    user.role = role
    user.departments = fields.departments_by_key(departments)
    after = history.standing_of(user)
    if before != after:
        _require_an_admin(f"{user.name} is the last administrator. Make somebody else one first.")
        history.record(
            "user.account.changed", actor=actor, user=user, channel=channel, before=before, after=after
        )
    return user


def deactivate_user(user_id: uuid.UUID, *, actor: Actor, channel: str = "page") -> User:
    """Keep a user out from this moment, signed out everywhere; what they did stays.

    Raises:
        Conflict: it is the actor, the last administrator, or somebody who is not active.
    """
    user = _to_manage(user_id, actor)
    if user.id == actor.user_id:
        raise Conflict("You cannot deactivate yourself. Ask another administrator.")
    if user.standing != "active":
        raise Conflict(f"{user.name} is not active. Nothing was changed.")
    user.is_active = False
    _require_an_admin(f"{user.name} is the last administrator. Make somebody else one first.")
    sign_out_everywhere(user)
    links.end_links(user)
    history.record("user.account.deactivated", actor=actor, user=user, channel=channel)
    return user


def reactivate_user(user_id: uuid.UUID, *, actor: Actor, channel: str = "page") -> User:
    """Let a deactivated user in again, with the password, role and departments they had.

    Raises:
        Conflict: the user is not deactivated.
    """
    user = _to_manage(user_id, actor)
    if user.standing != "deactivated":
        raise Conflict(f"{user.name} is not deactivated. Nothing was changed.")
    user.is_active = True
    unlock(user)
    history.record("user.account.reactivated", actor=actor, user=user, channel=channel)
    return user


def _to_manage(user_id: uuid.UUID, actor: Actor) -> User:
    require(actor, "users.manage")
    take_administration_lock()
    user = db.session.get(
        User, user_id, populate_existing=True, with_for_update={"key_share": True, "of": User}
    )
    if user is None:
        raise NotFound("There is no such user.")
    return user


def _time_zone_of(actor: Actor) -> str:
    # A good guess for a colleague, who may choose another.
    inviter = db.session.get(User, actor.user_id) if actor.user_id else None
    return inviter.time_zone if inviter else "UTC"


def _invite(user: User, actor: Actor, channel: str) -> None:
    mails.send_invitation(user, links.make_link(user, "invitation"), inviter=actor.name)
    history.record(
        "user.invitation.sent", actor=actor, user=user, channel=channel, after=history.standing_of(user)
    )


def _require_an_admin(sentence: str) -> None:
    # The administration lock is held: nobody else is demoting the other one at this moment.
    db.session.flush()
    left = sa.exists().where(User.role == "admin", User.is_active, User.password_hash.is_not(None))
    if not db.session.scalar(sa.select(left)):
        raise Conflict(sentence)


def _in_use(user: User) -> Invalid:
    what_to_do = {
        "active": "has an account already.",
        "invited": "was invited already; send the invitation again from their page.",
        "deactivated": "was deactivated; reactivate them on their page.",
    }
    sentence = f"{user.email} {what_to_do[user.standing]}"
    return Invalid(sentence, {"email": sentence})
