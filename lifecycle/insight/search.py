"""The search box: accounts, contacts, cards, documents and client requests, blind to accents and case.

Five queries whatever is asked. Each word must be found; what begins with the query comes first, then what
has a word that does, then the shorter name. The conditions are those of the trigram indexes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, or_, select, true, union
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import SQLColumnExpression

from lifecycle.core.db import db
from lifecycle.core.text import contains_word, folded, search_words, starts_with
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.work.attachments.models import Attachment
from lifecycle.work.client_requests.models import ClientRequest

_SIFTED = 2_000
_BEST_ACCOUNTS = 50


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
class DocumentHit:
    """A file, link, note or talk that was found, with the card it is attached to."""

    id: uuid.UUID
    title: str
    kind: str
    file_id: uuid.UUID | None
    card_id: uuid.UUID
    card_title: str
    account_name: str


@dataclass(frozen=True)
class RequestHit:
    """Something asked of a client that was found, with the card it is about."""

    id: uuid.UUID
    name: str
    status: str
    is_closed: bool
    card_id: uuid.UUID
    card_title: str
    account_name: str


@dataclass(frozen=True)
class Found:
    """What a query found, the best first. `more` names the groups that have more than is listed."""

    accounts: Sequence[AccountHit] = ()
    contacts: Sequence[ContactHit] = ()
    cards: Sequence[CardHit] = ()
    documents: Sequence[DocumentHit] = ()
    requests: Sequence[RequestHit] = ()
    more: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not (self.accounts or self.contacts or self.cards or self.documents or self.requests)


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
    documents = db.session.execute(documents_query(words, limit + 1)).all()
    requests = db.session.execute(requests_query(words, limit + 1)).all()
    groups = {
        "accounts": accounts,
        "contacts": contacts,
        "cards": cards,
        "documents": documents,
        "requests": requests,
    }
    return Found(
        [AccountHit(*row) for row in accounts[:limit]],
        [ContactHit(*row) for row in contacts[:limit]],
        [CardHit(*row) for row in cards[:limit]],
        [DocumentHit(*row) for row in documents[:limit]],
        [RequestHit(*row) for row in requests[:limit]],
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
    candidates = union(*(select(found.c.id) for found in _card_candidates(words))).subquery()
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
        .order_by(archived, (Stage.kind != "open"), *_best_first(Card.title, words), Card.id)
        .limit(limit)
    )


def _card_candidates(words: Sequence[str]) -> list[Subquery]:
    """Return the cards to put in order: what a common word finds is too much to compare all of it.

    The cards of the best accounts with all of the words in the name; and of cards with the words in title
    and account's name together, the latest. The longest word finds them through either index.
    """
    anchor = max(words, key=len)
    best = accounts_query(words, _BEST_ACCOUNTS).subquery()
    both = (
        select(Card.id)
        .join(Account, Account.id == Card.account_id)
        .where(
            Card.withdrawn_at.is_(None),
            *(or_(contains_word(Card.title, w), contains_word(Account.name, w)) for w in words),
        )
        .order_by(Card.id.desc())
        .limit(_SIFTED)
    )
    found = [
        select(Card.id)
        .join(best, best.c.id == Card.account_id)
        .where(Card.withdrawn_at.is_(None))
        .limit(_SIFTED),
        both.where(contains_word(Card.title, anchor)),
    ]
    if len(words) > 1:
        # Where the title has none of the words, the account has all of them and was found above.
        in_title = or_(*(contains_word(Card.title, word) for word in words if word != anchor))
        found.append(both.where(contains_word(Account.name, anchor), in_title))
    return [each.subquery() for each in found]


def documents_query(words: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Return the query for attachments with each of `words` in the title, or the card's or account's name."""
    return _about_cards(
        Attachment,
        Attachment.title,
        words,
        Attachment.withdrawn_at.is_(None),
        (Attachment.id, Attachment.title, Attachment.kind, Attachment.file_id),
        limit,
    )


def requests_query(words: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Return the query for client requests with each of `words` in the name, or the card's or account's."""
    closed = ClientRequest.closed_at.is_not(None)
    return _about_cards(
        ClientRequest,
        ClientRequest.name,
        words,
        true(),
        (ClientRequest.id, ClientRequest.name, ClientRequest.status, closed),
        limit,
        closed,
    )


def _about_cards(
    model: type[Attachment | ClientRequest],
    name: InstrumentedAttribute[str],
    words: Sequence[str],
    counts: ColumnElement[bool],
    columns: Sequence[Any],
    limit: int,
    *last: ColumnElement[bool],
) -> Select[*tuple[Any, ...]]:
    # One word must be its own. Requests of one name are as many as cards, so only the latest are sifted.
    candidates = (
        select(model.id)
        .where(counts, or_(*(contains_word(name, word) for word in words)))
        .order_by(model.id.desc())
        .limit(_SIFTED)
        .subquery()
    )
    return (
        select(*columns, Card.id, Card.title, Account.name)
        .select_from(model)
        .join(candidates, candidates.c.id == model.id)
        .join(Card, Card.id == model.card_id)
        .join(Account, Account.id == Card.account_id)
        .where(
            Card.withdrawn_at.is_(None),
            *(
                or_(contains_word(name, w), contains_word(Card.title, w), contains_word(Account.name, w))
                for w in words
            ),
        )
        .order_by(*last, starts_with(name, words[0]).desc(), model.id.desc())
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
