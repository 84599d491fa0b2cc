"""What a board can be narrowed by; it lives in the address, so it can be shared."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import CTE, ColumnElement, select, union

from lifecycle.core.text import contains_word
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card

_DUE_SOON = timedelta(days=1)
LONGEST_TEXT = 200


@dataclass(frozen=True)
class BoardFilter:
    """A board's filter; an empty one shows everything. Values that make no sense are dropped.

    `sla` is breached, due_soon or paused; `waiting` is client or us; `text` is looked for in titles and
    account names, blind to case and accents.
    """

    text: str = ""
    owner: uuid.UUID | None = None
    department: str = ""
    sla: str = ""
    waiting: str = ""
    segment: str = ""
    account: uuid.UUID | None = None
    import_id: int | None = None

    @classmethod
    def from_args(cls, args: Mapping[str, str], me: uuid.UUID | None = None) -> BoardFilter:
        """Read the filter from an address; `owner=me` is the reader."""
        owner = me if args.get("owner") == "me" else _uuid(args.get("owner"))
        sla, waiting = args.get("sla", ""), args.get("waiting", "")
        return cls(
            text=args.get("q", "").replace("\x00", "").strip()[:LONGEST_TEXT],
            owner=owner,
            department=args.get("department", "").replace("\x00", "")[:60],
            sla=sla if sla in ("breached", "due_soon", "paused") else "",
            waiting=waiting if waiting in ("client", "us") else "",
            segment=args.get("segment", "").replace("\x00", "")[:60],
            account=_uuid(args.get("account")),
            import_id=_whole(args.get("import")),
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is narrowed."""
        return all(not getattr(self, field.name) for field in fields(self))

    def as_query(self) -> str:
        """Return the filter as the query part of an address, without the question mark."""
        parts: dict[str, Any] = {
            "q": self.text,
            "owner": self.owner,
            "department": self.department,
            "sla": self.sla,
            "waiting": self.waiting,
            "segment": self.segment,
            "account": self.account,
            "import": self.import_id,
        }
        return urlencode({key: str(value) for key, value in parts.items() if value})

    @property
    def needs_account(self) -> bool:
        """Whether the condition reads the account."""
        return bool(self.segment)

    def conditions(
        self,
        at: datetime | ColumnElement[datetime],
        card: type[Card] = Card,
        account: type[Account] = Account,
    ) -> list[ColumnElement[bool]]:
        """Return the SQL conditions on cards and accounts, or on what stands for them in a query."""
        found: list[ColumnElement[bool]] = []
        if self.text:
            found.append(card.id.in_(select(_cards_with(self.text).c.id)))
        if self.owner:
            found.append(card.owner_id == self.owner)
        if self.department:
            found.append(card.department_key == self.department)
        if self.segment:
            found.append(account.segment == self.segment)
        if self.account:
            found.append(card.account_id == self.account)
        if self.import_id:
            found.append(card.import_id == self.import_id)
        if self.waiting:
            found.append(card.waiting_on_client.is_(self.waiting == "client"))
        return found + _sla_condition(self.sla, at, card)


def _cards_with(text: str) -> CTE:
    """Return the cards whose title or account's name holds `text`.

    A union: each half can use its own index, which an OR over two tables cannot. Found once a statement, and
    first: what is folded into a loop is looked for anew in each turn of it, 30 seconds of 200 cards once.
    """
    accounts = select(Account.id).where(contains_word(Account.name, text))
    found = union(
        select(Card.id).where(contains_word(Card.title, text)),
        select(Card.id).where(Card.account_id.in_(accounts)),
    )
    return found.cte("cards_with_text").prefix_with("MATERIALIZED")


def _sla_condition(
    state: str, at: datetime | ColumnElement[datetime], card: type[Card]
) -> list[ColumnElement[bool]]:
    if state == "paused":
        return [card.is_paused.is_(True)]
    if state == "breached":
        return [card.sla_due_at < at, card.is_paused.is_(False)]
    if state == "due_soon":
        return [card.sla_due_at >= at, card.sla_due_at < at + _DUE_SOON, card.is_paused.is_(False)]
    return []


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else None
