"""An account by what somebody types in passing: one that exists, else a new one by that name."""

from __future__ import annotations

import re

from lifecycle.core.errors import Invalid
from lifecycle.core.text import one_line
from lifecycle.records.accounts.changes import create_account
from lifecycle.records.accounts.models import Account
from lifecycle.records.accounts.queries import accounts_called, find_or_suggest_accounts
from lifecycle.records.people.actor import Actor

# What `Suggestion.choice` puts behind a name that several accounts bear.
_MARK = re.compile(r"^(?P<name>.*) \[(?P<mark>[0-9a-f]{8})\]$")


class _Unknown(Invalid):
    """A name that no account bears."""


def find_or_create_account(typed: str, actor: Actor, channel: str = "board") -> tuple[Account, bool]:
    """Return the account that `typed` means (see `find_account`), and whether it was made just now.

    A new one belongs to the actor.

    Raises:
        NotPermitted, Invalid: several accounts bear that name, or it cannot be a name; the error stands at
            `account`.
    """
    try:
        return find_account(typed), False
    except _Unknown:
        pass
    owner = str(actor.user_id) if actor.user_id is not None else ""
    try:
        return create_account({"name": typed, "owner_id": owner}, actor=actor, channel=channel), True
    except Invalid as refusal:
        sentence = " ".join(refusal.field_errors.values())
        raise Invalid(sentence, {"account": sentence}) from None


def find_account(typed: str) -> Account:
    """Return the account that `typed` means: its id, a name that only one bears, or a suggestion's `choice`.

    Raises:
        Invalid: no name, an unknown one, or one that several accounts bear; the error stands at `account`.
    """
    name = one_line(typed or "")
    if not name:
        sentence = "Say which account it is."
        raise Invalid(sentence, {"account": sentence})
    account = _marked(name) or find_or_suggest_accounts(name, limit=1)[0]
    if account is not None:
        return account
    same = [account for account in accounts_called(name) if account.archived_at is None]
    if same:
        sentence = f"{len(same)} accounts are called “{same[0].name}”. Choose one from the list."
        raise Invalid(sentence, {"account": sentence})
    sentence = f"There is no account called “{name[:80]}”."
    raise _Unknown(sentence, {"account": sentence})


def _marked(name: str) -> Account | None:
    found = _MARK.match(name)
    if found is None:
        return None
    same = accounts_called(found["name"])
    return next((a for a in same if a.archived_at is None and a.id.hex.endswith(found["mark"])), None)
