"""The first administrator of an empty installation."""

from __future__ import annotations

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.locks import AdvisoryLock
from lifecycle.records.people import fields, history, passwords
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.people.models import User

# Whoever changes who administers takes this lock first, so that two such changes never cross.


def take_administration_lock() -> None:
    """Wait until nobody else is changing users; held until the transaction ends."""
    db.session.execute(sa.select(sa.func.pg_advisory_xact_lock(AdvisoryLock.ADMINISTRATION)))


def has_no_users() -> bool:
    """Say whether the installation waits for its first administrator."""
    return not db.session.scalar(sa.select(sa.exists().where(User.id.is_not(None))))


def create_first_admin(
    *, email: str, name: str, password: str, time_zone: str = "UTC", channel: str = "page"
) -> User:
    """Create the administrator of an installation that has no users; of two at once, one is refused.

    Raises:
        Conflict: there are users already.
        Invalid: a field cannot be taken.
    """
    take_administration_lock()
    if not has_no_users():
        raise Conflict("This installation has its first administrator already. Log in, or ask to be invited.")
    return create_user(
        email=email, name=name, password=password, role="admin", time_zone=time_zone, channel=channel
    )


def create_user(
    *, email: str, name: str, password: str, role: str, time_zone: str = "UTC", channel: str
) -> User:
    """Create a user who can log in at once; for those who run the installation and need no permission.

    Raises:
        Invalid: a field cannot be taken, or the address is in use.
    """
    take_administration_lock()
    address = fields.clean_email(email)
    fields.check_role(role)
    if fault := passwords.find_fault(password, address):
        raise Invalid(fault, {"password": fault})
    if db.session.scalar(sa.select(User.id).where(sa.func.lower(User.email) == sa.func.lower(address))):
        sentence = f"{address} is in use already."
        raise Invalid(sentence, {"email": sentence})
    user = User(
        email=address,
        name=fields.clean_name(name),
        role=role,
        time_zone=fields.clean_time_zone(time_zone),
        password_hash=passwords.hash_password(password),
    )
    db.session.add(user)
    db.session.flush()
    history.record(
        "user.account.created", actor=SYSTEM, user=user, channel=channel, after=history.standing_of(user)
    )
    return user
