"""The search box: accounts, contacts and cards by their words, blind to accents and case.

Three queries whatever is asked. Each word must be found; what begins with the query comes first, then what
has a word that does, then the shorter name. The conditions are those of the trigram indexes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, union
from sqlalchemy.sql.elements import SQLColumnExpression

from lifecycle.core.db import db
from lifecycle.core.text import contains_word, folded, search_words, starts_with
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.playbooks.models import Pipeline, Stage


@dataclass(frozen=True)
class AccountHit:
    """An account that was found."""

    id: uuid.UUID
    name: str
    country: str | None
    is_archived: bool


@dataclass(frozen=True)
class ContactHit:
    """A contact that was found, with the account."""

    id: uuid.UUID
    name: str
    email: str | None
    account_name: str
    is_archived: bool


@dataclass(frozen=True)
class CardHit:
    """A card that was found, with where it stands."""

    id: uuid.UUID
    title: str
    account_name: str
    pipeline: str
    stage: str
    stage_kind: str
    value_amount: Decimal | None
    value_currency: str | None
    is_archived: bool


@dataclass(frozen=True)
class Found:
    """What a query found, the best first. `more` names the groups that have more than is listed."""

    accounts: Sequence[AccountHit] = ()
    contacts: Sequence[ContactHit] = ()
    cards: Sequence[CardHit] = ()
    more: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not (self.accounts or self.contacts or self.cards)


def search(query: str, limit: int = 8) -> Found:
    """Return what has every word of `query`, at most `limit` of each kind; nothing for no words.

    Cards of withdrawn imports are never found; what is archived comes last and says so.
    """
    words = search_words(query)
    if not words:
        return Found()
    accounts = db.session.execute(accounts_query(words, limit + 1)).all()
    contacts = db.session.execute(contacts_query(words, limit + 1)).all()
    cards = db.session.execute(cards_query(words, limit + 1)).all()
    groups = {"accounts": accounts, "contacts": contacts, "cards": cards}
    return Found(
        [AccountHit(*row) for row in accounts[:limit]],
        [ContactHit(*row) for row in contacts[:limit]],
        [CardHit(*row) for row in cards[:limit]],
        frozenset(name for name, rows in groups.items() if len(rows) > limit),
    )


def accounts_query(words: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Return the query for accounts with all of `words` in the name."""
    archived = Account.archived_at.is_not(None)
    return (
        select(Account.id, Account.name, Account.country, archived)
        .where(*(contains_word(Account.name, word) for word in words))
        .order_by(archived, *_best_first(Account.name, words), Account.id)
        .limit(limit)
    )


def contacts_query(words: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Return the query for contacts with each of `words` in name or address."""
    archived = or_(Contact.archived_at.is_not(None), Account.archived_at.is_not(None))
    return (
        select(Contact.id, Contact.name, Contact.email, Account.name, archived)
        .join(Account, Account.id == Contact.account_id)
        .where(*(or_(contains_word(Contact.name, w), contains_word(Contact.email, w)) for w in words))
        .order_by(archived, *_best_first(Contact.name, words), Contact.id)
        .limit(limit)
    )


def cards_query(words: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Return the query for cards with each of `words` in the title or the account's name."""
    archived = Card.archived_at.is_not(None)
    # The longest word finds the candidates through either index; the others only sift them.
    anchor = max(words, key=len)
    candidates = union(
        select(Card.id).where(contains_word(Card.title, anchor)),
        select(Card.id)
        .join(Account, Account.id == Card.account_id)
        .where(contains_word(Account.name, anchor)),
    ).subquery()
    return (
        select(
            Card.id,
            Card.title,
            Account.name,
            Pipeline.name,
            Stage.name,
            Stage.kind,
            Card.value_amount,
            Card.value_currency,
            archived,
        )
        .join(candidates, candidates.c.id == Card.id)
        .join(Account, Account.id == Card.account_id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(
            Card.withdrawn_at.is_(None),
            *(or_(contains_word(Card.title, w), contains_word(Account.name, w)) for w in words),
        )
        .order_by(archived, (Stage.kind != "open"), *_best_first(Card.title, words), Card.id)
        .limit(limit)
    )


def _best_first(column: SQLColumnExpression[Any], words: Sequence[str]) -> list[ColumnElement[Any]]:
    whole = " ".join(words)
    return [
        starts_with(column, whole).desc(),
        contains_word(column, f" {whole}").desc(),
        func.length(column),
        folded(column),
    ]
