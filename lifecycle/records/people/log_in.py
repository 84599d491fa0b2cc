"""Logging in with address and password, and the lock-out that slows down guessing."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.people import history, passwords
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User

FAILURES_ALLOWED = 10
LOCKED_FOR = timedelta(minutes=15)


def log_in(email: str, password: str, *, channel: str = "page") -> User | None:
    """Return the user whose address and password these are, or None.

    Unknown, invited, deactivated and locked users and a wrong password look alike, and take equally long.
    After ten failures in a row the user is locked for 15 minutes. The caller commits in either case: the
    failure counts.
    """
    user = _find_locking(email)
    fault = _why_not(user)
    if not passwords.matches(user.password_hash if user and not fault else None, password):
        fault = fault or "wrong password"
    if user is None or fault:
        _note_failure(user, fault or "", channel)
        return None
    user.failed_logins = 0
    user.locked_until = None
    user.last_login_at = now()
    if user.password_hash and passwords.is_outdated(user.password_hash):
        user.password_hash = passwords.hash_password(password)
    history.record("user.session.started", actor=Actor.of(user), user=user, channel=channel)
    return user


def log_out(actor: Actor, *, channel: str = "page") -> None:
    """Put on record that somebody logged out in one browser."""
    history.record("user.session.ended", actor=actor, user=None, channel=channel)


def sign_out_everywhere(user: User) -> None:
    """End every session of `user`; the one that asked may be renewed by logging in again."""
    user.session_epoch += 1


def unlock(user: User) -> None:
    """Forget earlier failures: whoever proved to read the user's mail is not guessing."""
    user.failed_logins = 0
    user.locked_until = None


def _find_locking(email: str) -> User | None:
    # The row is locked while the password is compared, so that guesses sent at once are counted one by one.
    return db.session.scalar(
        sa.select(User)
        .where(sa.func.lower(User.email) == sa.func.lower(email.strip()))
        .with_for_update(key_share=True, of=User)
        .execution_options(populate_existing=True)
    )


def _why_not(user: User | None) -> str | None:
    if user is None:
        return "unknown address"
    if user.standing != "active":
        return user.standing
    return "locked" if user.locked_until and user.locked_until > now() else None


def _note_failure(user: User | None, fault: str, channel: str) -> None:
    history.record("user.session.refused", actor=history.VISITOR, user=user, channel=channel, fault=fault)
    if user is None or fault != "wrong password":
        return
    user.failed_logins += 1
    if user.failed_logins < FAILURES_ALLOWED:
        return
    user.failed_logins = 0
    user.locked_until = now() + LOCKED_FOR
    history.record("user.account.locked", actor=history.VISITOR, user=user, until=user.locked_until)
