"""Withdrawing an import whole: its cards are kept, hidden, and out of all figures. Nothing is moved."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import datetime

from sqlalchemy import exists, select, text, update

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, NotFound
from lifecycle.exchange.imports.models import CardImport
from lifecycle.exchange.imports.run import is_silent
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import BoardChange, Card
from lifecycle.records.evidence.log import account_chain, record_event
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.work.tasks.models import Task

_EVENT_CARDS = 1_000


def withdraw_import(import_id: int, *, actor: Actor, channel: str = "page") -> int:
    """Withdraw every card that the import made, in the open transaction; return how many.

    Cards that were there before and were changed by it stay as they are. Accounts it made and that keep no
    card are archived. What people did with the cards since is kept with them.

    Raises:
        NotPermitted, NotFound, Conflict (a live run is under way, or it was withdrawn already).
    """
    require(actor, "imports.run")
    # Tens of thousands of cards at once take longer than a page's statement may.
    db.session.execute(text("set local statement_timeout = '300s'"))
    record = db.session.get(CardImport, import_id, populate_existing=True, with_for_update=True)
    if record is None:
        raise NotFound("There is no such import.")
    if record.state == "withdrawn":
        raise Conflict("This import was withdrawn already.")
    if record.state in ("checking", "running") and not is_silent(record):
        raise Conflict("This import is running. Wait until it is done, then withdraw it.")
    at = now()
    by_account = _withdraw_cards(import_id, at)
    _cancel_tasks(import_id, at)
    archived = _archive_accounts(import_id, at)
    count = sum(len(cards) for cards in by_account.values())
    # Should its job be alive after all, it finds another run number and stops.
    record.run_number += 1
    record.state, record.withdrawn_at, record.withdrawn_by = "withdrawn", at, actor.user_id
    for account_id, cards in by_account.items():
        for start in range(0, len(cards), _EVENT_CARDS):
            _record(
                account_id, "cards.withdrawn", import_id, actor, channel, cards[start : start + _EVENT_CARDS]
            )
    for account_id, name in archived:
        _record(account_id, "account.archived", import_id, actor, channel, [], name)
    record_event(
        "import.withdrawn",
        chain="system",
        actor=actor,
        channel=channel,
        data={"import": import_id, "file": record.file_name, "cards": count, "accounts": len(archived)},
    )
    first = next(iter(by_account.values()), [])
    if first:
        db.session.add(BoardChange(pipeline_id=record.pipeline_id, card_id=first[0], actor_id=actor.user_id))
    return count


def _withdraw_cards(import_id: int, at: datetime) -> dict[uuid.UUID, list[uuid.UUID]]:
    mine = (Card.import_id == import_id, Card.withdrawn_at.is_(None))
    # Held in one order first, so that two withdrawals or a move cannot lock each other out.
    db.session.execute(select(Card.id).where(*mine).order_by(Card.id).with_for_update())
    rows = db.session.execute(
        update(Card)
        .where(*mine)
        .values(withdrawn_at=at, archived_at=at, updated_at=at, version=Card.version + 1)
        .returning(Card.account_id, Card.id)
        .execution_options(synchronize_session=False)
    )
    by_account: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for account_id, card_id in rows:
        by_account[account_id].append(card_id)
    return by_account


def _cancel_tasks(import_id: int, at: datetime) -> None:
    cards = select(Card.id).where(Card.import_id == import_id)
    db.session.execute(
        update(Task)
        .where(Task.card_id.in_(cards), Task.done_at.is_(None), Task.cancelled_at.is_(None))
        .values(cancelled_at=at)
        .execution_options(synchronize_session=False)
    )


def _archive_accounts(import_id: int, at: datetime) -> list[tuple[uuid.UUID, str]]:
    keeps_cards = exists().where(Card.account_id == Account.id, Card.withdrawn_at.is_(None))
    rows = db.session.execute(
        update(Account)
        .where(Account.import_id == import_id, Account.archived_at.is_(None), ~keeps_cards)
        .values(archived_at=at, updated_at=at, version=Account.version + 1)
        .returning(Account.id, Account.name)
        .execution_options(synchronize_session=False)
    )
    return [(account_id, name) for account_id, name in rows]


def _record(
    account_id: uuid.UUID,
    kind: str,
    import_id: int,
    actor: Actor,
    channel: str,
    cards: list[uuid.UUID],
    name: str | None = None,
) -> None:
    data: dict[str, object] = {"import": import_id}
    data |= {"name": name} if name else {"cards": cards, "count": len(cards)}
    record_event(
        kind,
        chain=account_chain(account_id),
        actor=actor,
        channel=channel,
        account_id=account_id,
        data=data,
    )
