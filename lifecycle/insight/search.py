"""The search box: accounts, contacts, cards, documents and client requests, blind to accents and case.

Five queries whatever is asked. Each word must be found; what begins with the query comes first, then what
has a word that does, then the shorter name. The conditions are those of the trigram indexes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    String,
    Subquery,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import SQLColumnExpression

from lifecycle.core.db import db
from lifecycle.core.text import begins_with, contains_word, folded, has_word, search_words, starts_with
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
    values, number, longest = _values(words), len(words), _longest(words)
    accounts = db.session.execute(_accounts(number, limit + 1), values).all()
    contacts = db.session.execute(_contacts(number, limit + 1), values).all()
    cards = db.session.execute(_cards(number, longest, limit + 1, of_one=False), values).all()
    documents = db.session.execute(_documents(number, limit + 1), values).all()
    requests = db.session.execute(_requests(number, limit + 1), values).all()
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
    return _accounts(len(words), limit).params(_values(words))


def contacts_query(words: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Return the query for contacts with each of `words` in name or address."""
    return _contacts(len(words), limit).params(_values(words))


def cards_query(words: Sequence[str], limit: int, playbook: str | None = None) -> Select[*tuple[Any, ...]]:
    """Return the query for cards with each of `words` in the title or the account's name.

    Args:
        playbook: the key of the one whose cards are meant; None for all.
    """
    query = _cards(len(words), _longest(words), limit, of_one=playbook is not None)
    return query.params(_values(words) if playbook is None else {**_values(words), "playbook": playbook})


def documents_query(words: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Return the query for attachments with each of `words` in the title, or the card's or account's name."""
    return _documents(len(words), limit).params(_values(words))


def requests_query(words: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Return the query for client requests with each of `words` in the name, or the card's or account's."""
    return _requests(len(words), limit).params(_values(words))


# A statement is built once for each number of words, which are its values: building the five of them takes
# longer than their answers.
_STATEMENTS_KEPT = 64
_WHOLE = bindparam("whole", type_=String())
_WITHIN = bindparam("within", type_=String())
# Keeps a query whole, so that what it found is folded once and not for each thing it is ordered by.
_ONCE: ColumnElement[int] = literal_column("0")


def _values(words: Sequence[str]) -> dict[str, str]:
    whole = " ".join(words)
    return {f"word_{place}": word for place, word in enumerate(words)} | {
        "whole": whole,
        "within": f" {whole}",
    }


def _words(number: int) -> list[BindParameter[str]]:
    return [bindparam(f"word_{place}", type_=String()) for place in range(number)]


def _longest(words: Sequence[str]) -> int:
    """Return the place of the longest word, which finds the least."""
    return max(range(len(words)), key=lambda place: len(words[place]))


@lru_cache(_STATEMENTS_KEPT)
def _accounts(number: int, limit: int) -> Select[*tuple[Any, ...]]:
    found = (
        select(
            Account.id,
            Account.name,
            Account.country,
            Account.archived_at.is_not(None).label("archived"),
            folded(Account.name).label("folded"),
        )
        .where(*(contains_word(Account.name, word) for word in _words(number)))
        .offset(_ONCE)
        .subquery()
    )
    return (
        select(found.c.id, found.c.name, found.c.country, found.c.archived)
        .order_by(found.c.archived, *_best_first(found.c.folded, found.c.name), found.c.id)
        .limit(limit)
    )


@lru_cache(_STATEMENTS_KEPT)
def _contacts(number: int, limit: int) -> Select[*tuple[Any, ...]]:
    archived = or_(Contact.archived_at.is_not(None), Account.archived_at.is_not(None))
    return (
        select(Contact.id, Contact.name, Contact.email, Account.name, archived)
        .join(Account, Account.id == Contact.account_id)
        .where(
            *(or_(contains_word(Contact.name, w), contains_word(Contact.email, w)) for w in _words(number))
        )
        .order_by(archived, *_best_first(folded(Contact.name), Contact.name), Contact.id)
        .limit(limit)
    )


@lru_cache(_STATEMENTS_KEPT)
def _cards(number: int, longest: int, limit: int, *, of_one: bool) -> Select[*tuple[Any, ...]]:
    candidates = union(*(select(found.c.id) for found in _card_candidates(number, longest))).subquery()
    found = (
        select(
            Card.id,
            Card.title,
            Account.name.label("account"),
            Pipeline.name.label("pipeline"),
            Stage.name.label("stage"),
            Stage.kind,
            Card.value_amount,
            Card.value_currency,
            Card.archived_at.is_not(None).label("archived"),
            folded(Card.title).label("folded"),
        )
        .join(candidates, candidates.c.id == Card.id)
        .join(Account, Account.id == Card.account_id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(Pipeline.playbook_key == bindparam("playbook") if of_one else true())
        .offset(_ONCE)
        .subquery()
    )
    shown = [column for column in found.c if column.key != "folded"]
    return (
        select(*shown)
        .order_by(
            found.c.archived, found.c.kind != "open", *_best_first(found.c.folded, found.c.title), found.c.id
        )
        .limit(limit)
    )


def _card_candidates(number: int, longest: int) -> list[Subquery]:
    """Return the cards to put in order: what a common word finds is too much to compare all of it.

    The cards of the best accounts with all of the words in the name; and of cards with the words in title
    and account's name together, the latest. The longest word finds them through either index.
    """
    words = _words(number)
    anchor = words[longest]
    best = _accounts(number, _BEST_ACCOUNTS).subquery()
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
    if number > 1:
        # Where the title has none of the words, the account has all of them and was found above.
        in_title = or_(*(contains_word(Card.title, word) for word in words if word is not anchor))
        found.append(both.where(contains_word(Account.name, anchor), in_title))
    return [each.subquery() for each in found]


@lru_cache(_STATEMENTS_KEPT)
def _documents(number: int, limit: int) -> Select[*tuple[Any, ...]]:
    return _about_cards(
        Attachment,
        Attachment.title,
        _words(number),
        Attachment.withdrawn_at.is_(None),
        (Attachment.id, Attachment.title, Attachment.kind, Attachment.file_id),
        limit,
    )


@lru_cache(_STATEMENTS_KEPT)
def _requests(number: int, limit: int) -> Select[*tuple[Any, ...]]:
    closed = ClientRequest.closed_at.is_not(None)
    return _about_cards(
        ClientRequest,
        ClientRequest.name,
        _words(number),
        true(),
        (ClientRequest.id, ClientRequest.name, ClientRequest.status, closed),
        limit,
        closed,
    )


def _about_cards(
    model: type[Attachment | ClientRequest],
    name: InstrumentedAttribute[str],
    words: Sequence[BindParameter[str]],
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


def _best_first(folded_name: ColumnElement[str], name: SQLColumnExpression[Any]) -> list[ColumnElement[Any]]:
    return [
        begins_with(folded_name, _WHOLE).desc(),
        has_word(folded_name, _WITHIN).desc(),
        func.length(name),
        folded_name,
    ]
