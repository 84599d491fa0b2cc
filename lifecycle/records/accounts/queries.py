"""Reading accounts and contacts: lists with their exact counts, suggestions."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.core.text import contains_word, folded, one_line, search_words, starts_with
from lifecycle.records.accounts.countries import country_name, find_country
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Stage

PAGE = 50

_OPEN_CARDS = (
    select(func.count())
    .select_from(Card)
    .join(Stage, Stage.id == Card.stage_id)
    .where(Card.account_id == Account.id, Card.archived_at.is_(None), Stage.kind == "open")
    .correlate(Account)
    .scalar_subquery()
)
ACCOUNT_SORTS: dict[str, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
    "name": folded(Account.name),
    "owner": folded(User.name),
    "segment": Account.segment,
    "country": Account.country,
    "cards": _OPEN_CARDS,
    "updated": Account.updated_at,
}
CONTACT_SORTS: dict[str, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
    "name": folded(Contact.name),
    "account": folded(Account.name),
    "email": folded(Contact.email),
    "updated": Contact.updated_at,
}


@dataclass(frozen=True)
class AccountFilter:
    """What a list of accounts shows. `owner` is a user id, "none" or empty; `page` counts from 1."""

    text: str = ""
    owner: str = ""
    segment: str = ""
    country: str = ""
    archived: bool = False
    sort: str = "name"
    descending: bool = False
    page: int = 1


@dataclass(frozen=True)
class ContactFilter:
    """What a list of contacts shows."""

    text: str = ""
    archived: bool = False
    sort: str = "name"
    descending: bool = False
    page: int = 1


@dataclass(frozen=True)
class AccountRow:
    """An account in a list."""

    account: Account
    owner_name: str | None
    open_cards: int


@dataclass(frozen=True)
class ContactRow:
    """A contact in a list, with the account's name."""

    contact: Contact
    account_name: str


@dataclass(frozen=True)
class Page:
    """A page of a list: its rows, the exact number of all, and where it stands (from 1)."""

    rows: Sequence[Any]
    count: int
    number: int

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-self.count // PAGE))

    @property
    def shown(self) -> str:
        """What stands on it, like "51 to 100 of 8,800" with a dash for "to"."""
        if not self.count:
            return "0"
        first = (self.number - 1) * PAGE + 1
        return f"{first:,}\u2013{first + len(self.rows) - 1:,} of {self.count:,}"


@dataclass(frozen=True)
class Suggestion:
    """An account to choose, with what tells it from one of the same name."""

    id: uuid.UUID
    name: str
    country: str | None
    owner_name: str | None
    is_namesake: bool = False

    @property
    def choice(self) -> str:
        """What a field holds when this is chosen: the name, marked where several accounts bear it."""
        return f"{self.name} [{self.id.hex[-8:]}]" if self.is_namesake else self.name


def list_accounts(wanted: AccountFilter) -> Page:
    """Return a page of accounts, in two queries; a page beyond the last is the last."""
    conditions = _account_conditions(wanted)
    count = db.session.scalars(select(func.count()).select_from(Account).where(*conditions)).one()
    number = _page_number(wanted.page, count)
    order = ACCOUNT_SORTS.get(wanted.sort, ACCOUNT_SORTS["name"])
    rows = db.session.execute(
        select(Account, User.name, _OPEN_CARDS)
        .outerjoin(User, User.id == Account.owner_id)
        .where(*conditions)
        .order_by(_directed(order, wanted.descending), Account.id)
        .limit(PAGE)
        .offset((number - 1) * PAGE)
    )
    return Page([AccountRow(*row) for row in rows], count, number)


def _account_conditions(wanted: AccountFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        Account.archived_at.is_not(None) if wanted.archived else Account.archived_at.is_(None)
    ]
    conditions += [contains_word(Account.name, word) for word in search_words(wanted.text)]
    if wanted.owner == "none":
        conditions.append(Account.owner_id.is_(None))
    elif wanted.owner:
        conditions.append(Account.owner_id == _uuid(wanted.owner))
    if wanted.segment:
        conditions.append(Account.segment == one_line(wanted.segment))
    if wanted.country:
        conditions.append(_in_country(one_line(wanted.country)))
    return conditions


def _in_country(country: str) -> ColumnElement[bool]:
    # Cards and imports may have kept a country by its name where the account's form keeps its code.
    code = find_country(country) or country
    return func.lower(Account.country).in_({code.lower(), country_name(code).lower()})


def list_contacts(wanted: ContactFilter) -> Page:
    """Return a page of contacts, in two queries; the text is looked for in name, address and account."""
    archived = or_(Contact.archived_at.is_not(None), Account.archived_at.is_not(None))
    conditions = [archived if wanted.archived else ~archived]
    conditions += [
        or_(contains_word(Contact.name, w), contains_word(Contact.email, w), contains_word(Account.name, w))
        for w in search_words(wanted.text)
    ]
    both = select(Contact, Account.name).join(Account, Account.id == Contact.account_id).where(*conditions)
    count = db.session.scalars(select(func.count()).select_from(both.subquery())).one()
    number = _page_number(wanted.page, count)
    order = CONTACT_SORTS.get(wanted.sort, CONTACT_SORTS["name"])
    rows = db.session.execute(
        both.order_by(_directed(order, wanted.descending), Contact.id).limit(PAGE).offset((number - 1) * PAGE)
    )
    return Page([ContactRow(*row) for row in rows], count, number)


def get_account(account_id: uuid.UUID) -> Account:
    """Return an account, archived or not. Raises NotFound."""
    account = db.session.get(Account, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    return account


def get_contact(contact_id: uuid.UUID) -> Contact:
    """Return a contact, archived or not. Raises NotFound."""
    contact = db.session.get(Contact, contact_id)
    if contact is None:
        raise NotFound("There is no such contact.")
    return contact


def contacts_of(account_id: uuid.UUID, *, archived: bool = False) -> Sequence[Contact]:
    """Return an account's contacts by name; with `archived` those that were archived."""
    gone = Contact.archived_at.is_not(None) if archived else Contact.archived_at.is_(None)
    query = select(Contact).where(Contact.account_id == account_id, gone)
    return db.session.scalars(query.order_by(folded(Contact.name), Contact.id)).all()


def accounts_called(name: str, but: uuid.UUID | None = None) -> Sequence[Account]:
    """Return up to 20 accounts of that very name, blind to accents, case and outer spaces."""
    query = select(Account).where(folded(Account.name) == folded(one_line(name)[:200]))
    if but is not None:
        query = query.where(Account.id != but)
    return db.session.scalars(query.order_by(Account.archived_at.nulls_first(), Account.id).limit(20)).all()


def find_or_suggest_accounts(query: str, limit: int = 8) -> tuple[Account | None, list[Suggestion]]:
    """Return the one account that `query` means, if any, and accounts whose name holds its words.

    It means an account by the account's id, or by its exact name (accent- and case-blind) when only one
    bears it. Archived accounts are never meant nor suggested. The best suggestions come first.
    """
    return _meant(query), suggest_accounts(query, limit)


def _meant(query: str) -> Account | None:
    account_id = _uuid_or_none(query.strip())
    if account_id is not None:
        account = db.session.get(Account, account_id)
        return account if account is not None and account.archived_at is None else None
    same = [account for account in accounts_called(query) if account.archived_at is None]
    return same[0] if len(same) == 1 else None


def suggest_accounts(query: str, limit: int = 8) -> list[Suggestion]:
    """Return accounts to choose from; without words those changed last."""
    words = search_words(query)
    other = aliased(Account)
    namesake = exists().where(
        folded(other.name) == folded(Account.name), other.id != Account.id, other.archived_at.is_(None)
    )
    rows = (
        select(Account.id, Account.name, Account.country, User.name, namesake)
        .outerjoin(User, User.id == Account.owner_id)
        .where(Account.archived_at.is_(None), *(contains_word(Account.name, word) for word in words))
        .limit(limit)
    )
    if words:
        begins = starts_with(Account.name, " ".join(words))
        rows = rows.order_by(begins.desc(), func.length(Account.name), folded(Account.name), Account.id)
    else:
        rows = rows.order_by(Account.updated_at.desc(), Account.id)
    return [Suggestion(*row) for row in db.session.execute(rows)]


def working_users() -> list[tuple[uuid.UUID, str]]:
    """Return (id, name) of everybody who may own an account, by name."""
    query = select(User.id, User.name).where(User.is_active, User.role != "viewer")
    return [(row.id, row.name) for row in db.session.execute(query.order_by(folded(User.name), User.id))]


def user_names(ids: Sequence[uuid.UUID | None]) -> dict[uuid.UUID, str]:
    """Return the names of these users by id, whether they still work here or not."""
    wanted = {user_id for user_id in ids if user_id is not None}
    if not wanted:
        return {}
    rows = db.session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    return {row.id: row.name for row in rows}


def used_values(column: InstrumentedAttribute[str | None]) -> list[str]:
    """Return the different values that accounts have in `column`, for a filter; at most 300."""
    query = select(column).where(column.is_not(None)).distinct().order_by(column).limit(300)
    return [value for value in db.session.scalars(query) if value]


def _page_number(asked: int, count: int) -> int:
    return min(max(1, asked), max(1, -(-count // PAGE)))


def _directed(
    column: ColumnElement[Any] | InstrumentedAttribute[Any], descending: bool
) -> ColumnElement[Any]:
    return column.desc().nulls_last() if descending else column.asc().nulls_last()


def _uuid_or_none(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _uuid(text: str) -> uuid.UUID:
    # A foreign word in the address finds nothing instead of failing.
    return _uuid_or_none(text) or uuid.UUID(int=0)
