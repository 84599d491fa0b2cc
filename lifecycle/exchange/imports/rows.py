"""One row of a file, read through the map: a card to be, or the reasons why not. Nothing is written here."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.core.text import many_lines, one_line
from lifecycle.exchange.imports.dates import DateOrder, DateRefused, not_after, read_date
from lifecycle.exchange.imports.mapping import IMPORTER, PLACE, REFUSE, CardMap
from lifecycle.exchange.imports.reading import CsvText, Row
from lifecycle.governance.cards.edit import read_money, read_title
from lifecycle.governance.fields.values import ValueRefused, read_value
from lifecycle.governance.language.model import FieldDef, PipelineDef, PlaybookDef
from lifecycle.governance.moves.backfill import PastVisit
from lifecycle.records.accounts.countries import find_country
from lifecycle.records.accounts.fields import read_account, read_contact
from lifecycle.records.people.models import User

LONGEST_ID = 200
LONGEST_SHOWN = 200
LONGEST_KEPT = 500
LARGEST_TEXT = 20_000
_CURRENCY_SIGNS = "$€£¥₹"


@dataclass(frozen=True)
class Problem:
    """Why a row is refused: its number in the file, the column and its value if one is at fault."""

    row: int
    sentence: str
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class PlannedCard:
    """What a row says, in stored form. `account` is None where the row names none."""

    row: int
    external_id: str
    title: str
    account: str | None
    contact_name: str | None
    contact_email: str | None
    owner_id: uuid.UUID
    value_amount: Decimal | None
    value_currency: str | None
    stage: str
    visits: tuple[PastVisit, ...]
    is_undated: bool
    fields: Mapping[str, Any]
    kept: Mapping[str, str]

    def taken(self) -> dict[str, Any]:
        """Return what is remembered of the row, so that a later import sees which of it changed."""
        return {
            "title": self.title,
            "stage": self.stage,
            "value_amount": str(self.value_amount) if self.value_amount is not None else None,
            "value_currency": self.value_currency,
            "fields": dict(self.fields),
        }


@dataclass(frozen=True)
class AccountFacts:
    """What the accounts file tells of one account, in stored form."""

    name: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)


class Owners:
    """Who may own cards, found by name or email as files write them."""

    def __init__(self, mapping: CardMap, importer_id: uuid.UUID | None) -> None:
        users = db.session.execute(
            select(User.id, User.name, User.email).where(User.is_active, User.role != "viewer")
        ).all()
        self._by_email = {email.casefold(): user_id for user_id, _, email in users}
        names = Counter(_folded(name) for _, name, _ in users)
        self._by_name = {_folded(name): user_id for user_id, name, _ in users if names[_folded(name)] == 1}
        self._several = {name for name, count in names.items() if count > 1}
        self._map = mapping.owner
        self._people = {_folded(name): email for name, email in mapping.owner.people.items()}
        self._importer = importer_id
        self.unknown: Counter[str] = Counter()

    def misfits(self) -> list[str]:
        """Return a sentence for every address in the map that is nobody who may own cards here."""
        named = [*self._map.people.values()]
        if self._map.otherwise not in (REFUSE, IMPORTER):
            named.append(self._map.otherwise)
        found = [
            f"owner: nobody who works here and may edit has the address {one_line(email)[:80]}."
            for email in dict.fromkeys(named)
            if email.casefold() not in self._by_email
        ]
        if self._map.otherwise == IMPORTER and self._importer is None:
            found.append("owner: the system imports, and cannot own cards; name a user's address instead.")
        return found

    def find(self, written: str) -> uuid.UUID | None:
        """Return the owner for what stands in the cell, or None where the map refuses."""
        folded = _folded(written)
        if folded in self._people:
            return self._by_email.get(self._people[folded].casefold())
        found = self._by_email.get(folded) or self._by_name.get(folded)
        if found is not None:
            return found
        if written:
            self.unknown[written[:80]] += 1
        if self._map.otherwise == IMPORTER:
            return self._importer
        return None if self._map.otherwise == REFUSE else self._by_email.get(self._map.otherwise.casefold())

    def refusal(self, written: str) -> str:
        """Say why nobody owns the row's card."""
        if not written:
            return "This row names no owner, and the map gives none for such rows."
        if _folded(written) in self._several:
            return f"Several users are called “{written[:80]}”; write the email address."
        return f"“{written[:80]}” is no user here; add the person, or say in the map who owns such cards."


class RowReader:
    """Reads rows through a map whose columns and keys are known to be right (see `unmet`)."""

    def __init__(
        self,
        mapping: CardMap,
        playbook: PlaybookDef,
        pipeline: PipelineDef,
        source: CsvText,
        owners: Owners,
        orders: Mapping[str, DateOrder],
        at: datetime,
    ) -> None:
        self.mapping = mapping
        self.playbook = playbook
        self.pipeline = pipeline
        self.owners = owners
        self.orders = orders
        self.at = at
        self.header = source.header
        self.zone = ZoneInfo(mapping.time_zone)
        self.stages = {_folded(word): key for word, key in mapping.stage.values.items()}
        self._seen: dict[str, int] = {}

    def read(self, row: Row) -> PlannedCard | list[Problem]:
        """Return the card that the row describes, or every reason against it."""
        if row.problem:
            return [Problem(row.number, row.problem)]
        reading = _Reading(self, row)
        return reading.card()

    def first_row_of(self, external_id: str, row: int) -> int:
        """Return the first row that had this identifier; the row itself when it is the first."""
        return self._seen.setdefault(external_id, row)


class _Reading:
    """The reading of one row; gathers what is wrong with it."""

    def __init__(self, reader: RowReader, row: Row) -> None:
        self._reader = reader
        self._map = reader.mapping
        self._row = row
        self.problems: list[Problem] = []
        self._cells = aliased(dict(zip(reader.header, row.cells, strict=True)), self._map.aliases)

    def card(self) -> PlannedCard | list[Problem]:
        """Read everything, so that all that is wrong is told at once."""
        for column, cell in self._cells.items():
            if len(cell) > LARGEST_TEXT:
                self._refuse(
                    column, f"This has {len(cell):,} characters; at most {LARGEST_TEXT:,} are taken."
                )
        if self.problems:
            return self.problems
        external_id = self._external_id()
        title = self._title()
        account = self._account()
        contact_name, contact_email = self._contact()
        owner_id = self._owner()
        amount, currency = self._value()
        stage = self._stage()
        visits, is_undated = self._visits(stage) if stage else ((), False)
        fields = self._fields()
        if self.problems or owner_id is None or stage is None:
            return self.problems
        return PlannedCard(
            row=self._row.number,
            external_id=external_id,
            title=title,
            account=account,
            contact_name=contact_name,
            contact_email=contact_email,
            owner_id=owner_id,
            value_amount=amount,
            value_currency=currency,
            stage=stage,
            visits=visits,
            is_undated=is_undated,
            fields=fields,
            kept={
                column: many_lines(cell)[:LONGEST_KEPT]
                for column, cell in zip(self._reader.header, self._row.cells, strict=True)
                if cell.strip()
            },
        )

    def _refuse(self, column: str | None, sentence: str) -> None:
        value = one_line(self._cells.get(column, "")[:LONGEST_SHOWN]) if column else None
        self.problems.append(Problem(self._row.number, sentence, column, value or None))

    def _text(self, column: str) -> str:
        return one_line(self._cells[column])

    def _filled(self, template: str) -> str:
        if not PLACE.search(template):
            return self._cells[template]
        return PLACE.sub(lambda place: self._text(place[1]), template)

    def _external_id(self) -> str:
        columns = self._map.id_columns
        external_id = " / ".join(self._text(column) for column in columns)
        if not all(self._text(column) for column in columns):
            self._refuse(
                columns[0], "This row has no identifier, so a second import could not know it again."
            )
        elif len(external_id) > LONGEST_ID:
            self._refuse(columns[0], f"An identifier may have {LONGEST_ID} characters.")
        else:
            first = self._reader.first_row_of(external_id, self._row.number)
            if first != self._row.number:
                self._refuse(columns[0], f"Row {first:,} has the same identifier.")
        return external_id

    def _title(self) -> str:
        try:
            return read_title(self._filled(self._map.title))
        except Invalid as refusal:
            column = None if PLACE.search(self._map.title) else self._map.title
            self._refuse(column, refusal.field_errors["title"])
            return ""

    def _account(self) -> str | None:
        column = self._map.account.column
        name = self._text(column)
        if not name:
            if self._map.account.missing == REFUSE:
                self._refuse(column, "This row names no account.")
            return None
        try:
            return str(read_account({"name": name}, {})["name"])
        except Invalid as refusal:
            self._refuse(column, refusal.field_errors["name"])
            return None

    def _contact(self) -> tuple[str | None, str | None]:
        contact = self._map.contact
        if contact is None:
            return None, None
        name = self._text(contact.name) if contact.name else ""
        email = self._text(contact.email) if contact.email else ""
        if not name and not email:
            return None, None
        if not self._text(self._map.account.column):
            self._refuse(
                contact.name or contact.email, "A contact needs an account, and this row names none."
            )
            return None, None
        try:
            values = read_contact({"name": name or email, "email": email}, {})
        except Invalid as refusal:
            if "email" in refusal.field_errors:
                self._refuse(contact.email, refusal.field_errors["email"])
            if "name" in refusal.field_errors:
                self._refuse(contact.name or contact.email, refusal.field_errors["name"])
            return None, None
        return values["name"], values["email"]

    def _owner(self) -> uuid.UUID | None:
        column = self._map.owner.column
        written = self._text(column) if column else ""
        found = self._reader.owners.find(written)
        if found is None:
            self._refuse(column, self._reader.owners.refusal(written))
        return found

    def _value(self) -> tuple[Decimal | None, str | None]:
        given = self._map.value
        if given is None:
            return None, None
        text = self._text(given.column)
        if not text:
            return None, None
        try:
            amount = Decimal(plain_number(text, given.decimal_mark, given.currency))
            money = read_money(amount, given.currency)
        except (ValueRefused, InvalidOperation):
            self._refuse(given.column, f"This is not an amount; write it like 1234{given.decimal_mark}50.")
            return None, None
        except Invalid as refusal:
            self._refuse(given.column, refusal.sentence)
            return None, None
        return money["value_amount"], money["value_currency"]

    def _stage(self) -> str | None:
        if self._map.stage.always:
            return self._map.stage.always
        column = self._map.stage.column or ""
        written = self._text(column)
        key = self._reader.stages.get(_folded(written))
        if key is None:
            sentence = (
                f"The map says no stage for “{written[:60]}”." if written else "This row names no stage."
            )
            self._refuse(column, sentence)
        return key

    def _visits(self, stage: str) -> tuple[tuple[PastVisit, ...], bool]:
        """Return the stages the card was in. Without the date of the last, one undated visit is all."""
        entered: list[PastVisit] = []
        for each in self._reader.pipeline.stages:
            column = self._map.entered.get(each.key)
            is_last = each.key == stage
            if column is None or not (is_last or each.is_open):
                if is_last:
                    break
                continue
            at = self._date(column)
            if at is not None:
                entered.append(PastVisit(each.key, at))
            if is_last:
                break
        if self.problems:
            return (), False
        if not entered or entered[-1].stage != stage:
            return (PastVisit(stage, self._reader.at),), True
        for earlier, later in pairwise(entered):
            if later.entered_at < earlier.entered_at:
                names = {each.key: each.name for each in self._reader.pipeline.stages}
                self._refuse(
                    self._map.entered[later.stage],
                    f"{names[later.stage]} was entered before {names[earlier.stage]}; look at both dates.",
                )
        return tuple(entered), False

    def _date(self, column: str) -> datetime | None:
        text = self._text(column)
        if not text:
            return None
        try:
            moment = read_date(text, self._reader.orders.get(column, "year-month-day"), self._reader.zone)
        except DateRefused as refusal:
            self._refuse(column, str(refusal))
            return None
        at = not_after(moment, self._reader.at)
        if at is None:
            self._refuse(column, "This date lies in the future; a stage cannot have been entered yet.")
        return at

    def _fields(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, template in self._map.fields.items():
            definition = self._reader.playbook.fields[key]
            try:
                value = self._field(definition, template)
            except (ValueRefused, DateRefused) as refusal:
                self._refuse(None if PLACE.search(template) else template, str(refusal))
                continue
            if value is not None:
                values[key] = value
        return values

    def _field(self, definition: FieldDef, template: str) -> Any:
        text = self._filled(template)
        if definition.type == "date" and text.strip():
            order = self._reader.orders.get(template, "year-month-day")
            text = read_date(text, order, self._reader.zone).day.isoformat()
        if definition.type in ("money", "number") and self._map.value:
            text = plain_number(one_line(text), self._map.value.decimal_mark, self._map.value.currency)
        return read_value(definition, text)


def plain_number(text: str, decimal_mark: str, currency: str) -> str:
    """Return a number as files write it in plain form: thousands, signs and the currency's name taken out.

    Raises:
        ValueRefused: it is no number.
    """
    bare = text.strip().removeprefix(currency).removesuffix(currency).strip(f" \u00a0{_CURRENCY_SIGNS}")
    bare = bare.replace("\u00a0", "").replace("\u202f", "").replace(" ", "").replace("'", "")
    if not bare:
        return ""
    thousands = "." if decimal_mark == "," else ","
    whole, _, cents = bare.partition(decimal_mark)
    groups = whole.lstrip("-").split(thousands)
    if len(groups) > 1 and not (1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])):
        raise ValueRefused("This is not a number.")
    number = whole.replace(thousands, "") + (f".{cents}" if cents else "")
    if len(number) > 30 or not number.lstrip("-").replace(".", "", 1).isascii():
        raise ValueRefused("This is not a number.")
    if not number.lstrip("-").replace(".", "", 1).isdigit():
        raise ValueRefused("This is not a number.")
    return number


def aliased(cells: dict[str, str], aliases: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the cells with the map's aliases put in place of what they stand for."""
    for column, words in aliases.items():
        written = cells.get(column, "").strip()
        if written in words:
            cells[column] = words[written]
    return cells


def read_accounts(
    source: CsvText, mapping: CardMap, playbook: PlaybookDef
) -> tuple[dict[str, AccountFacts], list[Problem]]:
    """Read the accounts file; return the facts by folded name, and what is wrong with it.

    A row with a mistake gives its account without the fact that is wrong.
    """
    accounts: dict[str, AccountFacts] = {}
    problems: list[Problem] = []
    for row in source.rows():
        if row.problem:
            problems.append(Problem(row.number, row.problem, source.name))
            continue
        cells = aliased(dict(zip(source.header, row.cells, strict=True)), mapping.account.aliases)
        facts, wrong = _account_facts(row.number, cells, source, mapping, playbook)
        problems += wrong
        if facts is not None:
            accounts.setdefault(_folded(facts.name), facts)
    return accounts, problems


def _account_facts(
    number: int, cells: Mapping[str, str], source: CsvText, mapping: CardMap, playbook: PlaybookDef
) -> tuple[AccountFacts | None, list[Problem]]:
    account = mapping.account
    name = one_line(cells[account.key or ""])
    if not name:
        return None, [Problem(number, "This row names no account.", f"{source.name}: {account.key}")]
    columns: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, template in account.fields.items():
        definition = playbook.fields[key]
        try:
            value = read_value(definition, _fill(template, cells))
        except ValueRefused as refusal:
            problems.append(_account_problem(number, source, template, cells, str(refusal)))
            continue
        if value is None:
            continue
        if definition.is_column:
            columns[key] = find_country(value) or value if key == "country" else value
        else:
            fields[key] = value
    for key in ("website", "phone", "notes"):
        template = getattr(account, key)
        text = _fill(template, cells).strip() if template else ""
        if not text:
            continue
        try:
            columns |= {key: read_account({key: text}, {})[key]}
        except Invalid as refusal:
            problems.append(_account_problem(number, source, template, cells, refusal.field_errors[key]))
    return AccountFacts(name, columns, fields), problems


def _account_problem(
    number: int, source: CsvText, template: str, cells: Mapping[str, str], sentence: str
) -> Problem:
    value = one_line(_fill(template, cells))[:LONGEST_SHOWN]
    return Problem(
        number, f"{sentence} The account comes without it.", f"{source.name}: {template[:80]}", value
    )


def _fill(template: str, cells: Mapping[str, str]) -> str:
    if not PLACE.search(template):
        return cells[template]
    return PLACE.sub(lambda place: one_line(cells[place[1]]), template)


def date_columns(mapping: CardMap, playbook: PlaybookDef) -> Iterable[str]:
    """Return the columns that are read as dates."""
    found = list(mapping.entered.values())
    found += [
        column
        for key, column in mapping.fields.items()
        if playbook.fields[key].type == "date" and not PLACE.search(column)
    ]
    return dict.fromkeys(found)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


folded_name = _folded
