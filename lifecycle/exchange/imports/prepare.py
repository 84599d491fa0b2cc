"""Everything a run needs, read and checked before the first row: map, board, files, owners, date orders."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.exchange.imports.dates import DateOrder, OrderEvidence
from lifecycle.exchange.imports.mapping import BrokenMap, CardMap, map_from, unmet
from lifecycle.exchange.imports.models import CardImport
from lifecycle.exchange.imports.reading import CsvText, read_csv
from lifecycle.exchange.imports.rows import (
    AccountFacts,
    Owners,
    PlannedCard,
    Problem,
    RowReader,
    aliased,
    date_columns,
    read_accounts,
)
from lifecycle.governance.moves.backfill import Board, get_board
from lifecycle.records.files.store import read_file
from lifecycle.records.people.actor import Actor
from lifecycle.records.playbooks.models import Pipeline

BATCH = 500


@dataclass(frozen=True)
class Batch:
    """Some rows as read: the cards to be, and the reasons against the others."""

    planned: list[PlannedCard]
    problems: list[Problem]
    rows: int


@dataclass
class Prepared:
    """An import that can be gone through. `questions` must be empty before anything is written."""

    import_id: int
    mapping: CardMap
    board: Board
    source: CsvText
    accounts: Mapping[str, AccountFacts]
    owners: Owners
    questions: Sequence[dict[str, Any]]
    problems: Sequence[Problem]
    at: datetime
    _orders: Mapping[str, DateOrder] = field(default_factory=dict)

    def batches(self) -> Iterator[Batch]:
        """Yield the file's rows in batches of 500, in order."""
        reader = RowReader(
            self.mapping,
            self.board.playbook,
            self.board.definition,
            self.source,
            self.owners,
            self._orders,
            self.at,
        )
        batch = Batch([], [], 0)
        for row in self.source.rows():
            found = reader.read(row)
            if isinstance(found, PlannedCard):
                batch.planned.append(found)
            else:
                batch.problems.extend(found)
            batch = Batch(batch.planned, batch.problems, batch.rows + 1)
            if batch.rows == BATCH:
                yield batch
                batch = Batch([], [], 0)
        if batch.rows:
            yield batch


def get_import(import_id: int) -> CardImport:
    """Return an import.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(CardImport, import_id, populate_existing=True)
    if found is None:
        raise NotFound("There is no such import.")
    return found


def slug_of(record: CardImport) -> str:
    """Return the slug of the board that an import is for."""
    return db.session.scalars(select(Pipeline.slug).where(Pipeline.id == record.pipeline_id)).one()


def source_of(record: CardImport) -> CsvText:
    """Return the file of an import, ready to be read."""
    return _stored(record.file_id, record.file_name)


def accounts_source_of(record: CardImport) -> CsvText | None:
    """Return the accounts file of an import, or None."""
    if record.accounts_file_id is None:
        return None
    return _stored(record.accounts_file_id, record.accounts_file_name or "accounts")


def _stored(file_id: uuid.UUID | None, name: str) -> CsvText:
    if file_id is None:
        raise Invalid("This import has no file any more.")
    return read_csv(name, read_file(file_id)[1])


def prepare(record: CardImport, actor: Actor, at: datetime) -> Prepared:
    """Read all that a run needs. Writes nothing.

    Raises:
        BrokenMap: the map does not fit the playbook, the files or the people here; every reason is told.
        Invalid, NotFound: a file or the board cannot be read.
    """
    if not record.mapping:
        raise BrokenMap(["Nothing is mapped yet: say which column feeds what."])
    mapping = map_from(record.mapping)
    board = get_board(slug_of(record))
    source = source_of(record)
    accounts_source = accounts_source_of(record)
    misfits = unmet(
        mapping,
        board.playbook,
        board.definition,
        source.header,
        accounts_source.header if accounts_source else None,
    )
    owners = Owners(mapping, actor.user_id)
    misfits += owners.misfits()
    if misfits:
        raise BrokenMap(misfits)
    orders, questions = _date_orders(mapping, board, source)
    accounts, problems = ({}, []) if accounts_source is None or not mapping.account.key else read_accounts(
        accounts_source, mapping, board.playbook
    )  # fmt: skip
    return Prepared(record.id, mapping, board, source, accounts, owners, questions, problems, at, orders)


def _date_orders(
    mapping: CardMap, board: Board, source: CsvText
) -> tuple[dict[str, DateOrder], list[dict[str, Any]]]:
    """Return the order of each date column; a question for each that is neither declared nor proven."""
    columns = list(date_columns(mapping, board.playbook))
    orders = {column: order for column in columns if (order := mapping.declared_order(column))}
    open_columns = {column: OrderEvidence(column) for column in columns if column not in orders}
    if open_columns:
        positions = {column: source.header.index(column) for column in open_columns}
        aliases = {column: words for column, words in mapping.aliases.items() if column in open_columns}
        for row in source.rows():
            if row.problem:
                continue
            cells = aliased({column: row.cells[place] for column, place in positions.items()}, dict(aliases))
            for column, evidence in open_columns.items():
                evidence.add(cells[column])
    questions = []
    for column, evidence in open_columns.items():
        order = evidence.order()
        if order is None:
            questions.append(evidence.question())
        else:
            orders[column] = order
    return orders, questions
