"""What pages and commands read of imports. Every function asks for the permission to run them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Select, func, select

from lifecycle.core.db import db
from lifecycle.core.spreadsheets import UTF8_MARK, csv_line
from lifecycle.exchange.imports.models import CardImport, ImportRowError
from lifecycle.exchange.imports.prepare import get_import
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import require
from lifecycle.records.playbooks.models import Pipeline, Stage

ERRORS_A_PAGE = 50
MOST_LISTED = 200
_READ_AT_ONCE = 2_000
_GROUPS = 10


@dataclass(frozen=True)
class ImportLine:
    """One line of the list of imports."""

    record: CardImport
    slug: str
    board: str
    author: str | None


@dataclass(frozen=True)
class OnBoard:
    """How an import's cards stand now, by stage."""

    stage: str
    kind: str
    count: int
    value: Decimal | None


def list_imports(actor: Actor) -> list[ImportLine]:
    """Return the latest 200 imports, newest first."""
    require(actor, "imports.run")
    rows = db.session.execute(_lines().order_by(CardImport.id.desc()).limit(MOST_LISTED))
    return [ImportLine(*row) for row in rows]


def show_import(import_id: int, actor: Actor) -> ImportLine:
    """Return one import.

    Raises:
        NotFound, NotPermitted.
    """
    require(actor, "imports.run")
    get_import(import_id)
    return ImportLine(*db.session.execute(_lines().where(CardImport.id == import_id)).one())


def _lines() -> Select[CardImport, str, str, str | None]:
    return (
        select(CardImport, Pipeline.slug, Pipeline.name, User.name)
        .join(Pipeline, Pipeline.id == CardImport.pipeline_id)
        .outerjoin(User, User.id == CardImport.created_by)
        .execution_options(populate_existing=True)
    )


def list_boards() -> Sequence[tuple[str, str]]:
    """Return (slug, name) of every board that cards can be put on."""
    rows = db.session.execute(select(Pipeline.slug, Pipeline.name).order_by(Pipeline.position, Pipeline.name))
    return [(slug, name) for slug, name in rows]


def list_owners() -> Sequence[tuple[str, str]]:
    """Return (email, name) of everybody who may own cards."""
    rows = db.session.execute(
        select(User.email, User.name).where(User.is_active, User.role != "viewer").order_by(User.name)
    )
    return [(email, name) for email, name in rows]


def count_on_board(import_id: int) -> list[OnBoard]:
    """Return how the cards that an import made stand now, in the order of the stages."""
    rows = db.session.execute(
        select(Stage.name, Stage.kind, func.count(), func.sum(Card.value_amount))
        .join(Stage, Stage.id == Card.stage_id)
        .where(Card.import_id == import_id, Card.withdrawn_at.is_(None))
        .group_by(Stage.id)
        .order_by(Stage.position)
    )
    return [OnBoard(*row) for row in rows]


def count_errors(import_id: int) -> int:
    """Return how many errors the last check or run kept; one row may have several."""
    return db.session.scalars(
        select(func.count()).select_from(ImportRowError).where(ImportRowError.import_id == import_id)
    ).one()


def group_errors(import_id: int) -> list[tuple[str | None, str, int]]:
    """Return (column, sentence, rows) of the commonest errors, when fewer sentences than rows say it all."""
    rows = db.session.execute(
        select(ImportRowError.column, ImportRowError.sentence, func.count().label("rows"))
        .where(ImportRowError.import_id == import_id)
        .group_by(ImportRowError.column, ImportRowError.sentence)
        .having(func.count() > 1)
        .order_by(func.count().desc(), ImportRowError.sentence)
        .limit(_GROUPS)
    )
    return [(column, sentence, count) for column, sentence, count in rows]


def list_errors(import_id: int, page: int = 1) -> Sequence[ImportRowError]:
    """Return one page of fifty errors, in the order of the rows."""
    return db.session.scalars(
        select(ImportRowError)
        .where(ImportRowError.import_id == import_id)
        .order_by(ImportRowError.row_number, ImportRowError.id)
        .limit(ERRORS_A_PAGE)
        .offset((page - 1) * ERRORS_A_PAGE)
    ).all()


def errors_as_csv(import_id: int, actor: Actor) -> Iterator[str]:
    """Yield all errors as CSV, in pieces; no cell can be taken for a formula.

    Raises:
        NotFound, NotPermitted.
    """
    require(actor, "imports.run")
    get_import(import_id)
    yield UTF8_MARK + csv_line(("row", "column", "value", "problem"))
    last = (0, 0)
    while True:
        rows = db.session.scalars(
            select(ImportRowError)
            .where(
                ImportRowError.import_id == import_id,
                (ImportRowError.row_number > last[0])
                | ((ImportRowError.row_number == last[0]) & (ImportRowError.id > last[1])),
            )
            .order_by(ImportRowError.row_number, ImportRowError.id)
            .limit(_READ_AT_ONCE)
        ).all()
        if not rows:
            return
        last = (rows[-1].row_number, rows[-1].id)
        yield "".join(
            csv_line((str(row.row_number), row.column or "", row.value or "", row.sentence)) for row in rows
        )
