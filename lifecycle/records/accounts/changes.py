"""Creating, editing, archiving and restoring accounts, each on record on the account's own chain."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid, NotFound
from lifecycle.core.queue import BULK, enqueue_after_commit
from lifecycle.records.accounts.fields import ACCOUNT_FIELDS, read_account
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.records.playbooks.models import Stage

_NO_ACCOUNT = "There is no such account."


def create_account(
    typed: Mapping[str, Any],
    *,
    actor: Actor,
    channel: str = "page",
    import_id: int | None = None,
    is_holding: bool = False,
) -> Account:
    """Create an account from what was typed, by field name (see `ACCOUNT_FIELDS`); only a name is needed.

    Raises:
        NotPermitted, Invalid (by field).
    """
    require(actor, "accounts.edit")
    values = read_account({"name": "", **typed}, {})
    account = Account(**values, fields={}, import_id=import_id, is_holding=is_holding)
    db.session.add(account)
    db.session.flush()
    given = {key: value for key, value in values.items() if value not in (None, "")}
    _record("account.created", account, actor, channel, {"values": given})
    return account


def edit_account(
    account_id: uuid.UUID, typed: Mapping[str, Any], *, seen_version: int, actor: Actor, channel: str = "page"
) -> list[str]:
    """Write an account's fields; return the keys of those that changed.

    What gates read of the account may change with it, so the summaries of its cards follow after the commit.

    Raises:
        NotFound, NotPermitted, Invalid (by field, or archived), Conflict (changed since `seen_version`).
    """
    account = _hold(account_id, actor)
    if account.archived_at is not None:
        raise Invalid("This account is archived. Restore it first; nothing was changed.")
    if account.version != seen_version:
        raise Conflict("Somebody changed this account while you were writing. Nothing was saved yet.")
    values = read_account(typed, {key: getattr(account, key) for key in ACCOUNT_FIELDS})
    changes = {
        key: {"name": ACCOUNT_FIELDS[key], "before": getattr(account, key), "after": value}
        for key, value in values.items()
        if getattr(account, key) != value
    }
    if not changes:
        return []
    for key, change in changes.items():
        setattr(account, key, change["after"])
    _touch(account)
    _record("account.changed", account, actor, channel, {"changes": changes, "version": account.version})
    enqueue_after_commit(BULK, "jobs.cards.refresh_account_cards", str(account_id))
    return list(changes)


def archive_account(account_id: uuid.UUID, *, actor: Actor, channel: str = "page") -> Account:
    """Take an account out of lists and choices; everything about it stays, and it can be restored.

    Raises:
        NotFound, NotPermitted, Conflict (it has open cards).
    """
    account = _hold(account_id, actor)
    if account.archived_at is not None:
        return account
    count = count_open_cards(account_id)
    if count:
        cards = "an open card" if count == 1 else f"{count:,} open cards"
        what_first = f"Close or archive {'it' if count == 1 else 'them'} first"
        raise Conflict(f"{account.name} has {cards}. {what_first}; nothing was changed.")
    account.archived_at = now()
    _touch(account)
    _record("account.archived", account, actor, channel, {})
    return account


def restore_account(account_id: uuid.UUID, *, actor: Actor, channel: str = "page") -> Account:
    """Bring an archived account back.

    Raises:
        NotFound, NotPermitted.
    """
    account = _hold(account_id, actor)
    if account.archived_at is not None:
        account.archived_at = None
        _touch(account)
        _record("account.restored", account, actor, channel, {})
    return account


def count_open_cards(account_id: uuid.UUID) -> int:
    """Return how many of the account's cards stand in an open stage and are not archived."""
    return db.session.scalars(
        select(func.count())
        .select_from(Card)
        .join(Stage, Stage.id == Card.stage_id)
        .where(Card.account_id == account_id, Card.archived_at.is_(None), Stage.kind == "open")
    ).one()


def _hold(account_id: uuid.UUID, actor: Actor) -> Account:
    require(actor, "accounts.edit")
    account = db.session.get(Account, account_id, populate_existing=True, with_for_update={"key_share": True})
    if account is None:
        raise NotFound(_NO_ACCOUNT)
    return account


def _touch(account: Account) -> None:
    account.version += 1
    account.updated_at = now()


def _record(kind: str, account: Account, actor: Actor, channel: str, data: dict[str, Any]) -> None:
    record_event(
        kind,
        chain=account_chain(account.id),
        actor=actor,
        channel=channel,
        account_id=account.id,
        data={"name": account.name, **data},
    )
