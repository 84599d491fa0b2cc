"""Who at the client is asked."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.governance.gates.subject import Subject
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.accounts.models import Contact
from lifecycle.records.people.actor import SYSTEM
from lifecycle.work.client_requests.models import ClientRequest

_WHOLE: Final = "owner"
"""The right that sees what is asked of everybody at the company."""


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


def may_see(contact: Contact, request: ClientRequest) -> bool:
    """Say whether a request of the contact's own company is theirs to see."""
    is_theirs = request.contact_id == contact.id or request.to_right in contact.rights
    return is_theirs or _WHOLE in contact.rights


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
    return known_or_new(subject, str(name or ""), str(email), channel="rule")


def known_or_new(subject: Subject, name: str, email: str, *, channel: str = "page") -> Contact:
    """Return the account's contact with that address, however they are called here, or write them down.

    Needs the account held for writing.

    Raises:
        Invalid: no usable address.
    """
    known = next((each for each in _contacts(subject) if (each.email or "").lower() == email.lower()), None)
    # A client or a field may name somebody of that company, and nothing else; the system writes them down.
    return known or create_contact(
        subject.account.id, {"name": name or email, "email": email}, actor=SYSTEM, channel=channel
    )


def _contacts(subject: Subject) -> list[Contact]:
    return list(
        db.session.scalars(
            select(Contact)
            .where(Contact.account_id == subject.account.id, Contact.archived_at.is_(None))
            .order_by(Contact.created_at, Contact.id)
        )
    )
