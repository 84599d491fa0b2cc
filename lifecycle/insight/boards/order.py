"""What a list of cards can be sorted by, and where a page of it ends: a value and a card, never a count.

Each key is never null, so that "what follows this card" is one comparison: what lacks a value comes last,
whichever way the list is sorted.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Numeric, Select, case, func, literal, literal_column
from sqlalchemy.orm import InstrumentedAttribute, aliased

from lifecycle.core.text import folded
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Stage

_CONTINUED = aliased(StageVisit)
# Written as ix_cards_due has it, so that the index gives the list its usual order.
_NEVER: ColumnElement[datetime] = literal_column("'9999-12-31 00:00:00+00'::timestamptz", DateTime(True))
_EVER: ColumnElement[datetime] = literal_column("'0001-01-01 00:00:00+00'::timestamptz", DateTime(True))
_MORE_THAN_ANY_VALUE = 10**13
_LONGEST_CURSOR = 1_000
_AMOUNT = re.compile(r"-?\d{1,14}(\.\d{1,2})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)

Joined = Callable[[Select[*tuple[Any, ...]]], Select[*tuple[Any, ...]]]
Position = tuple[Any, uuid.UUID]
_Keys = tuple[ColumnElement[Any], ColumnElement[Any]]


@dataclass(frozen=True)
class Order:
    """One column that a list can be sorted by.

    `keys` are what is compared, ascending and descending; `read` makes a value of what a cursor holds, or
    raises ValueError; `join` brings in the table that the keys are of.
    """

    keys: _Keys
    read: Callable[[str], Any]
    join: Joined = lambda query: query

    def key(self, *, down: bool) -> ColumnElement[Any]:
        """Return the key for a direction."""
        return self.keys[1] if down else self.keys[0]

    def position(self, cursor: str) -> Position | None:
        """Return where a cursor points; None for what is none."""
        card_id, _, value = cursor[:_LONGEST_CURSOR].partition(".")
        try:
            return self.read(value), uuid.UUID(card_id)
        except ValueError:
            return None


def cursor_of(card_id: uuid.UUID, value: Any) -> str:
    """Return the cursor for a card by its key."""
    return f"{card_id}.{value.isoformat() if isinstance(value, datetime) else value}"


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("not a text that PostgreSQL knows")
    return value


def _amount(value: str) -> Decimal:
    if not _AMOUNT.fullmatch(value):
        raise ValueError("not an amount that a card can have")
    return Decimal(value)


def _whole(value: str) -> int:
    if not _WHOLE.fullmatch(value):
        raise ValueError("not a number that a key can be")
    return int(value)


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return moment


def _with_account(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.join(Account, Account.id == Card.account_id)


def _with_owner(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.join(User, User.id == Card.owner_id)


def _with_stage(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.join(Stage, Stage.id == Card.stage_id)


def _with_visit(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.join(StageVisit, StageVisit.id == Card.visit_id).outerjoin(
        _CONTINUED, _CONTINUED.id == StageVisit.continues_visit_id
    )


def _same(key: ColumnElement[Any]) -> _Keys:
    return key, key


def _moment_or_last(column: InstrumentedAttribute[datetime | None]) -> _Keys:
    return func.coalesce(column, _NEVER), func.coalesce(column, _EVER)


def _value(last: int) -> ColumnElement[Any]:
    return func.coalesce(Card.value_amount, literal(last, Numeric()), type_=Numeric())


USUAL_ORDER = "sla"
ORDERS: dict[str, Order] = {
    "account": Order(_same(folded(Account.name)), read=_text, join=_with_account),
    "card": Order(_same(folded(Card.title)), read=_text),
    "stage": Order(_same(Stage.position.expression), read=_whole, join=_with_stage),
    "owner": Order(_same(folded(User.name)), read=_text, join=_with_owner),
    "value": Order((_value(_MORE_THAN_ANY_VALUE), _value(-1)), read=_amount),
    "age": Order(
        _same(func.coalesce(_CONTINUED.entered_at, StageVisit.entered_at)), read=_moment, join=_with_visit
    ),
    "sla": Order(_moment_or_last(Card.sla_due_at), read=_moment),
    "next": Order(_moment_or_last(Card.next_action_due_at), read=_moment),
    "waiting": Order(_same(case((Card.waiting_on_client, 0), else_=1)), read=_whole),
}
