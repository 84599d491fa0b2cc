"""Who at the client is asked."""

from __future__ import annotations

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.governance.gates.subject import Subject
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.accounts.models import Contact
from lifecycle.records.people.actor import SYSTEM


def find_recipient(subject: Subject, right: str | None) -> Contact | None:
    """Return who is asked, or None while nobody with an email address is known.

    First whoever holds `right`; then the card's own contact; then the account's only one.
    """
    reachable = [contact for contact in _contacts(subject) if contact.email]
    holders = [contact for contact in reachable if right and right in contact.rights]
    if holders:
        return holders[0]
    own = next((contact for contact in reachable if contact.id == subject.card.contact_id), None)
    return own or (reachable[0] if len(reachable) == 1 else None)


def settle_recipient(subject: Subject, right: str | None) -> Contact | None:
    """Return who is asked, keeping the person the card's own fields name where the account has nobody.

    Needs the account held for writing, as `changing_card` and the rules do.
    """
    found = find_recipient(subject, right)
    fields = subject.playbook.contact_fields
    if found is not None or fields is None:
        return found
    name, email = (subject.value(key) for key in fields)
    if not email:
        return None
    # Somebody known by this address already, however the card calls them.
    known = next((c for c in _contacts(subject) if (c.email or "").lower() == str(email).lower()), None)
    return known or create_contact(
        subject.account.id,
        {"name": str(name or email), "email": str(email)},
        actor=SYSTEM,
        channel="rule",
    )


def _contacts(subject: Subject) -> list[Contact]:
    return list(
        db.session.scalars(
            select(Contact)
            .where(Contact.account_id == subject.account.id, Contact.archived_at.is_(None))
            .order_by(Contact.created_at, Contact.id)
        )
    )
