"""Contacts: creating, editing, archiving and restoring them, each on record on their account's chain."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid, NotFound
from lifecycle.core.words import _
from lifecycle.records.accounts.fields import CONTACT_FIELDS, read_contact, read_preferences
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.outbox.quiet import reckon_quiet_hours_anew
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require

_NO_CONTACT = "There is no such contact."


def create_contact(
    account_id: uuid.UUID, typed: Mapping[str, Any], *, actor: Actor, channel: str = "page"
) -> Contact:
    """Add a person to an account; only a name is needed.

    Raises:
        NotFound, NotPermitted, Invalid (by field, or the account is archived).
    """
    require(actor, "accounts.edit")
    # Held, so that it is not archived meanwhile.
    account = db.session.get(Account, account_id, populate_existing=True, with_for_update={"read": True})
    if account is None:
        raise NotFound("There is no such account.")
    if account.archived_at is not None:
        raise Invalid("This account is archived. Restore it first; nothing was changed.")
    values = read_contact({"name": "", **typed}, {})
    contact = Contact(account_id=account_id, **values)
    db.session.add(contact)
    db.session.flush()
    given = {key: value for key, value in values.items() if value not in (None, "", False, [])}
    _record("contact.created", contact, actor, channel, {"values": given})
    return contact


def edit_contact(
    contact_id: uuid.UUID, typed: Mapping[str, Any], *, seen_version: int, actor: Actor, channel: str = "page"
) -> list[str]:
    """Write a contact's fields; return the keys of those that changed.

    Raises:
        NotFound, NotPermitted, Invalid (by field, or archived), Conflict (changed since `seen_version`).
    """
    contact = _hold(contact_id, actor)
    if contact.archived_at is not None:
        raise Invalid("This contact is archived. Restore them first; nothing was changed.")
    if contact.version != seen_version:
        raise Conflict("Somebody changed this contact while you were writing. Nothing was saved yet.")
    values = read_contact(typed, {key: getattr(contact, key) for key in CONTACT_FIELDS})
    return _write(contact, values, actor, channel)


def choose_preferences(contact_id: uuid.UUID, typed: Mapping[str, Any], *, seen_version: int) -> list[str]:
    """Let a contact write how they are reached, and nothing else of them; return the keys that changed.

    Args:
        typed: of `OWN_FIELDS`; whatever else it holds is left alone.

    Raises:
        NotFound: there is no such contact, or they are archived; Invalid: by field; Conflict: changed since
            `seen_version`.
    """
    contact = _found(contact_id)
    if contact.archived_at is not None:
        raise NotFound(_NO_CONTACT)
    if contact.version != seen_version:
        raise Conflict(_("This was changed meanwhile. Look it over and save again; nothing was saved yet."))
    values = read_preferences(typed, {key: getattr(contact, key) for key in CONTACT_FIELDS})
    actor = Actor(user_id=None, name=contact.name, role="client", kind="client")
    return _write(contact, values, actor, "home")


def _write(contact: Contact, values: Mapping[str, Any], actor: Actor, channel: str) -> list[str]:
    changes = {
        key: {"name": CONTACT_FIELDS[key], "before": getattr(contact, key), "after": value}
        for key, value in values.items()
        if getattr(contact, key) != value
    }
    if not changes:
        return []
    for key, change in changes.items():
        setattr(contact, key, change["after"])
    if "phone" in changes:
        contact.sms_stopped_at = None
    if "email" in changes:
        contact.mail_refused_at = contact.mail_refused_why = None
    if changes.keys() & {"time_zone", "quiet_from", "quiet_until"}:
        reckon_quiet_hours_anew(contact)
    _touch(contact)
    _record("contact.changed", contact, actor, channel, {"changes": changes, "version": contact.version})
    return list(changes)


def archive_contact(contact_id: uuid.UUID, *, actor: Actor, channel: str = "page") -> Contact:
    """Take a contact out of lists and choices; cards that name them keep them.

    Raises:
        NotFound, NotPermitted.
    """
    contact = _hold(contact_id, actor)
    if contact.archived_at is None:
        contact.archived_at = now()
        _touch(contact)
        _record("contact.archived", contact, actor, channel, {})
    return contact


def restore_contact(contact_id: uuid.UUID, *, actor: Actor, channel: str = "page") -> Contact:
    """Bring an archived contact back.

    Raises:
        NotFound, NotPermitted, Conflict (the account is archived).
    """
    contact = _hold(contact_id, actor)
    if contact.archived_at is not None:
        archived = select(Account.archived_at).where(Account.id == contact.account_id)
        if db.session.scalar(archived) is not None:
            raise Conflict("The account is archived too. Restore it first; nothing was changed.")
        contact.archived_at = None
        _touch(contact)
        _record("contact.restored", contact, actor, channel, {})
    return contact


def _hold(contact_id: uuid.UUID, actor: Actor) -> Contact:
    require(actor, "accounts.edit")
    return _found(contact_id)


def _found(contact_id: uuid.UUID) -> Contact:
    contact = db.session.get(Contact, contact_id, populate_existing=True, with_for_update={"key_share": True})
    if contact is None:
        raise NotFound(_NO_CONTACT)
    return contact


def _touch(contact: Contact) -> None:
    contact.version += 1
    contact.updated_at = now()


def _record(kind: str, contact: Contact, actor: Actor, channel: str, data: dict[str, Any]) -> None:
    record_event(
        kind,
        chain=account_chain(contact.account_id),
        actor=actor,
        channel=channel,
        account_id=contact.account_id,
        data={"contact": contact.id, "name": contact.name, **data},
    )
