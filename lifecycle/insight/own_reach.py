"""How a contact is reached, as much of it as they may see themselves (E14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lifecycle.core.db import db
from lifecycle.insight.client_page import masked, masked_number
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.accounts.preferences import sms_number
from lifecycle.records.people.models import User
from lifecycle.records.sms.providers import find_provider


@dataclass(frozen=True)
class OwnReach:
    """Where a contact is written to; whoever holds their link sees no address and no number whole.

    `may_sms`: they can choose SMS. `stopped_at`: when they said STOP, if that holds. `start_to`: where a
    START takes it back; None where nobody can answer.
    """

    address: str
    number: str | None
    may_sms: bool
    stopped_at: datetime | None
    start_to: str | None


def read_own_reach(contact: Contact) -> OwnReach:
    """Return how a contact is reached. No query."""
    provider, number = find_provider(), sms_number(contact.phone)
    may_sms = provider is not None and number is not None
    sender = provider.sender if provider is not None else ""
    return OwnReach(
        address=masked(contact.email or ""),
        number=masked_number(number) if number else None,
        may_sms=may_sms,
        stopped_at=contact.sms_stopped_at if may_sms else None,
        start_to=sender if sender.startswith("+") else None,
    )


def find_who_answers(contact: Contact) -> User | None:
    """Return who of ours answers for a contact's account, if anybody does."""
    owner_id = db.session.get_one(Account, contact.account_id).owner_id
    return db.session.get(User, owner_id) if owner_id is not None else None
