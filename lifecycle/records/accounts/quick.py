"""An account by what somebody types in passing: one that exists, else a new one."""

from __future__ import annotations

from lifecycle.core.errors import Invalid
from lifecycle.records.accounts.changes import create_account
from lifecycle.records.accounts.models import Account
from lifecycle.records.accounts.queries import accounts_called, find_or_suggest_accounts
from lifecycle.records.people.actor import Actor


def find_or_create_account(typed: str, actor: Actor) -> tuple[Account, bool]:
    """Return the account that `typed` means, and whether it was made just now.

    Raises:
        Invalid: several accounts bear that name, or it cannot be a name.
    """
    found, _ = find_or_suggest_accounts(typed, 1)
    if found is not None:
        return found, False
    if any(account.archived_at is None for account in accounts_called(typed)):
        sentence = "Several accounts have this name; open the one you mean and add the card there."
        raise Invalid(sentence, {"account": sentence})
    return create_account({"name": typed}, actor=actor, channel="board"), True
