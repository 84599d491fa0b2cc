"""Finding, making and bringing back the accounts and contacts that imported cards belong to, in bulk."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, insert, select, update

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.ids import new_id
from lifecycle.exchange.imports.rows import AccountFacts, PlannedCard, folded_name
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.people.actor import Actor

_SHOWN_NAMES = 20


@dataclass
class KnownAccounts:
    """The accounts of some names: one id, or why none can be taken; names that are in neither are new."""

    ids: dict[str, uuid.UUID] = field(default_factory=dict)
    archived: dict[str, uuid.UUID] = field(default_factory=dict)
    several: set[str] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Say whether there is an account of that name, on view or archived."""
        return folded_name(name) in self.ids or folded_name(name) in self.archived


def find_accounts(names: Collection[str]) -> KnownAccounts:
    """Return what there is of these names, blind to case. One query."""
    found = KnownAccounts()
    if not names:
        return found
    rows = db.session.execute(
        select(Account.id, Account.name, Account.archived_at)
        .where(func.lower(Account.name).in_({name.lower() for name in names}), Account.is_holding.is_(False))
        .order_by(Account.created_at)
    )
    for account_id, name, archived_at in rows:
        folded = folded_name(name)
        if archived_at is not None:
            found.archived[folded] = account_id
        elif folded in found.ids:
            found.several.add(folded)
        else:
            found.ids[folded] = account_id
    return found


def find_holding(name: str) -> uuid.UUID | None:
    """Return the account that holds cards which name none, or None before the first such card."""
    return db.session.scalar(
        select(Account.id)
        .where(Account.is_holding, func.lower(Account.name) == name.lower(), Account.archived_at.is_(None))
        .order_by(Account.created_at)
        .limit(1)
    )


def settle_accounts(
    planned: Sequence[PlannedCard],
    known: KnownAccounts,
    facts: Mapping[str, AccountFacts],
    holding_name: str,
    *,
    import_id: int,
    actor: Actor,
) -> tuple[dict[int, uuid.UUID], int]:
    """Return each card's account by row number, making and restoring what is missing.

    An account that exists keeps what it has: the accounts file tells of new ones only.

    Returns:
        the accounts by row, and how many were restored.
    """
    ids = dict(known.ids)
    wanted: dict[str, str] = {}
    for card in planned:
        if card.account:
            wanted.setdefault(folded_name(card.account), card.account)
    restored = [folded for folded in wanted if folded not in ids and folded in known.archived]
    for folded in restored:
        ids[folded] = known.archived[folded]
        _restore(ids[folded], wanted[folded], actor)
    rows = []
    for folded, name in wanted.items():
        if folded not in ids:
            rows.append(_new_row(name, facts.get(folded), import_id))
            ids[folded] = rows[-1]["id"]
    holding_id = find_holding(holding_name) if any(card.account is None for card in planned) else None
    if holding_id is None and any(card.account is None for card in planned):
        rows.append({**_new_row(holding_name, None, import_id), "is_holding": True})
        holding_id = rows[-1]["id"]
    if rows:
        db.session.execute(insert(Account).execution_options(render_nulls=True), rows)
    for row in rows:
        _record_created(row, actor)
    by_row: dict[int, uuid.UUID] = {}
    for card in planned:
        found = ids[folded_name(card.account)] if card.account else holding_id
        assert found is not None
        by_row[card.row] = found
    return by_row, len(restored)


def new_accounts_of(import_id: int) -> tuple[int, list[str]]:
    """Return how many accounts an import made, the holding one apart, and the names of the first twenty."""
    mine = (Account.import_id == import_id, Account.is_holding.is_(False))
    count = db.session.scalars(select(func.count()).select_from(Account).where(*mine)).one()
    names = select(Account.name).where(*mine).order_by(Account.created_at, Account.id).limit(_SHOWN_NAMES)
    return count, list(db.session.scalars(names))


def _new_row(name: str, facts: AccountFacts | None, import_id: int) -> dict[str, Any]:
    at = now()
    columns = facts.columns if facts else {}
    return {
        "id": new_id(),
        "name": name,
        **{key: columns.get(key) for key in ("country", "segment", "website", "phone", "notes")},
        "fields": dict(facts.fields) if facts else {},
        "is_holding": False,
        "import_id": import_id,
        "version": 1,
        "created_at": at,
        "updated_at": at,
    }


def _record_created(row: Mapping[str, Any], actor: Actor) -> None:
    values = {
        key: row[key] for key in ("name", "country", "segment", "website", "phone", "notes") if row[key]
    }
    record_event(
        "account.created",
        chain=account_chain(row["id"]),
        actor=actor,
        channel="import",
        account_id=row["id"],
        data={"name": row["name"], "values": values, "fields": row["fields"], "import": row["import_id"]},
    )


def _restore(account_id: uuid.UUID, name: str, actor: Actor) -> None:
    db.session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(archived_at=None, version=Account.version + 1, updated_at=now())
    )
    record_event(
        "account.restored",
        chain=account_chain(account_id),
        actor=actor,
        channel="import",
        account_id=account_id,
        data={"name": name},
    )


def settle_contacts(
    planned: Sequence[PlannedCard], accounts: Mapping[int, uuid.UUID], *, actor: Actor
) -> tuple[dict[int, uuid.UUID], int]:
    """Return each card's contact by row number, making those that are missing; and how many were made.

    Somebody is known again by email within the account; without an email, by name.
    """
    named = [card for card in planned if card.contact_name]
    if not named:
        return {}, 0
    known = _known_contacts({accounts[card.row] for card in named})
    by_row: dict[int, uuid.UUID] = {}
    rows: list[dict[str, Any]] = []
    for card in named:
        account_id = accounts[card.row]
        key = folded_name(card.contact_email or card.contact_name or "")
        found = known[account_id].get(key)
        if found is None:
            found = new_id()
            at = now()
            rows.append(
                {
                    "id": found,
                    "account_id": account_id,
                    "name": card.contact_name,
                    "email": card.contact_email,
                    "is_verified": False,
                    "version": 1,
                    "created_at": at,
                    "updated_at": at,
                }
            )
            known[account_id][key] = found
        by_row[card.row] = found
    if rows:
        db.session.execute(insert(Contact).execution_options(render_nulls=True), rows)
    for row in rows:
        record_event(
            "contact.created",
            chain=account_chain(row["account_id"]),
            actor=actor,
            channel="import",
            account_id=row["account_id"],
            data={"contact": row["id"], "name": row["name"], "values": {"email": row["email"]}},
        )
    return by_row, len(rows)


def _known_contacts(account_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, dict[str, uuid.UUID]]:
    known: dict[uuid.UUID, dict[str, uuid.UUID]] = defaultdict(dict)
    rows = db.session.execute(
        select(Contact.account_id, Contact.id, Contact.name, Contact.email)
        .where(Contact.account_id.in_(account_ids), Contact.archived_at.is_(None))
        .order_by(Contact.created_at.desc())
    )
    for account_id, contact_id, name, email in rows:
        known[account_id][folded_name(name)] = contact_id
        if email:
            known[account_id][folded_name(email)] = contact_id
    return known
