"""What everybody may change about themselves."""

from __future__ import annotations

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound, NotPermitted
from lifecycle.records.people import fields, history, passwords
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.log_in import FAILURES_ALLOWED, sign_out_everywhere
from lifecycle.records.people.models import User
from lifecycle.records.people.password_resets import set_password


def change_profile(*, name: str, time_zone: str, actor: Actor, channel: str = "page") -> User:
    """Give oneself another name and time zone. Raises Invalid when one cannot be taken."""
    user = _oneself(actor)
    before = {"name": user.name, "time_zone": user.time_zone}
    user.name = fields.clean_name(name)
    user.time_zone = fields.clean_time_zone(time_zone)
    after = {"name": user.name, "time_zone": user.time_zone}
    if before != after:
        changed = [field for field in after if before[field] != after[field]]
        history.record("user.profile.changed", actor=actor, user=user, channel=channel, changed=changed)
    return user


def change_password(*, current: str, password: str, actor: Actor, channel: str = "page") -> User | None:
    """Give oneself another password; every session ends. None when `current` is not the one in use.

    A wrong `current` counts as a failed log-in, so that a borrowed session cannot guess it. The caller
    commits in either case.

    Raises:
        Invalid: the new password cannot be taken.
    """
    user = _oneself(actor)
    if user.failed_logins >= FAILURES_ALLOWED:
        raise NotPermitted("Too many wrong tries. Reset the password by mail instead.")
    if not passwords.matches(user.password_hash, current):
        user.failed_logins += 1
        return None
    if passwords.matches(user.password_hash, password):
        sentence = "This is the password you have now. Choose another."
        raise Invalid(sentence, {"password": sentence})
    set_password(user, password)
    user.failed_logins = 0
    history.record("user.password.changed", actor=actor, user=user, channel=channel)
    return user


def end_other_sessions(*, actor: Actor, channel: str = "page") -> User:
    """Sign oneself out everywhere; the door renews the session that asked."""
    user = _oneself(actor)
    sign_out_everywhere(user)
    history.record("user.sessions.ended", actor=actor, user=user, channel=channel)
    return user


def _oneself(actor: Actor) -> User:
    if actor.user_id is None:
        raise NotPermitted("Only a person has a profile.")
    user = db.session.get(
        User, actor.user_id, populate_existing=True, with_for_update={"key_share": True, "of": User}
    )
    if user is None:
        raise NotFound("There is no such user.")
    return user
