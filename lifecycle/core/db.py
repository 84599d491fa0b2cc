"""The database session and the one way to write: `transaction()`.

Reads may use `db.session` at any time. Writes happen inside `with transaction():`, which the door
(page, API, job, command) opens and domain functions never commit.
"""

from __future__ import annotations

import functools
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeVar

import psycopg
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, MetaData, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute

log = logging.getLogger(__name__)

Value = TypeVar("Value")

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Model(DeclarativeBase):
    """Typed base of every model; maps Python types to column types once, so that a model reads as its fields.

    A plain SQLAlchemy base: Flask-SQLAlchemy's own `db.Model` is untyped, and its session serves any base.
    """

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        Decimal: Numeric(14, 2),
        uuid.UUID: Uuid(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
    }


db = SQLAlchemy(session_options={"expire_on_commit": False})

_OPEN = "lifecycle.transaction"
_BEFORE = "lifecycle.before_commit"
_AFTER = "lifecycle.after_commit"
_WROTE = "lifecycle.wrote"
_GATHERED = "lifecycle.gathered"
# What an INSERT's text depends on: the model, the columns by which a row is there already, those it has.
_Kind = tuple[type[Model], tuple[str, ...], tuple[str, ...]]
_ONE_MOMENT: Final = "set transaction isolation level repeatable read, read only"
_RESTS_SINCE = "lifecycle.rests_since"
A_MOMENT: Final = 1.0  # seconds
_WRITING = frozenset({"insert", "update", "delete"})


@contextmanager
def transaction() -> Iterator[None]:
    """Commit everything written inside on success, nothing on an exception.

    Work registered by `after_commit` runs after the commit, in order; its failures are logged, never
    raised, because the change already stands (a sweeper covers what was to follow).

    Raises:
        RuntimeError: a transaction is already open. Nesting would make it unclear who commits.
    """
    info = db.session.info
    if info.get(_OPEN):
        raise RuntimeError("A transaction is already open; only the door opens one.")
    if db.session.new or db.session.dirty or db.session.deleted:
        raise RuntimeError("Something was changed outside a transaction; it would be committed unnoticed.")
    info[_OPEN] = True
    info[_BEFORE] = []
    info[_AFTER] = []
    committed = False
    try:
        yield
        db.session.flush()
        for last_step in info[_BEFORE]:
            last_step()
        db.session.commit()
        committed = True
    finally:
        if not committed:
            db.session.rollback()
        follow_ups = info[_AFTER] if committed else []
        # Whatever a failed transaction gathered goes with it.
        for key in [key for key in info if isinstance(key, str) and key.startswith("lifecycle.")]:
            del info[key]
    for follow_up in follow_ups:
        try:
            follow_up()
        except Exception:
            log.exception("after-commit work failed")


@contextmanager
def one_moment() -> Iterator[None]:
    """Let every read inside see the database as it was at the first of them, whatever is written meanwhile.

    Nothing can be written inside.

    Raises:
        RuntimeError: a transaction is open, or something was changed outside one.
    """
    if db.session.info.get(_OPEN) or db.session.new or db.session.dirty or db.session.deleted:
        raise RuntimeError("What was changed must be committed before a moment is looked at.")
    # Ends the reads before; nothing is pending, so nothing is written, and loaded rows stay loaded.
    db.session.commit()
    # Said in the transaction itself: of an option the pool would have to clear the connection afterwards.
    db.session.connection().exec_driver_sql(_ONE_MOMENT)
    try:
        yield
    except BaseException:
        db.session.rollback()
        raise
    db.session.commit()


def end_reading() -> None:
    """End the transaction in which a request has only read, keeping the statements the driver has prepared.

    A rollback would make it forget them all, and the database would plan every page's statements anew. What
    was changed outside `transaction()` is rolled back all the same.
    """
    if not db.session.registry.has():
        return
    session = db.session()
    is_clean = not (session.info.get(_OPEN) or session.new or session.dirty or session.deleted)
    if is_clean and session.in_transaction():
        # Of a database that went away the extension closes the session; there was nothing to lose.
        with suppress(sa.exc.SQLAlchemyError):
            if not session.connection().info.get(_WROTE):
                session.commit()


def watch_writes(engine: sa.Engine) -> None:
    """Note on each connection whether its transaction has written, by whichever way."""
    sa.event.listen(engine, "before_cursor_execute", _note_writing)
    for end in ("commit", "rollback"):
        sa.event.listen(engine, end, _forget_writing)


def _forget_writing(connection: sa.Connection) -> None:
    # One that was cut is replaced by another, which has written nothing.
    if not (connection.closed or connection.invalidated):
        connection.info.pop(_WROTE, None)


def _note_writing(connection: sa.Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    if statement.lstrip()[:6].lower() in _WRITING:
        connection.info[_WROTE] = True


def check_rested(engine: sa.Engine) -> None:
    """Ask a connection that has rested for more than a moment whether it is still there, before it is used.

    A database that was restarted has cut those in the pool; they are all replaced then. One that served a
    moment ago is used as it is: it could be cut at any time of a request.
    """

    def ask(connection: Any, record: Any, _proxy: object) -> None:
        rests_since = record.info.pop(_RESTS_SINCE, None)
        if rests_since is None or time.monotonic() - rests_since < A_MOMENT:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as cut:
            raise sa.exc.InvalidatePoolError from cut

    sa.event.listen(engine, "checkin", _note_rest)
    sa.event.listen(engine, "checkout", ask)


def _note_rest(_connection: object, record: Any) -> None:
    record.info[_RESTS_SINCE] = time.monotonic()


def before_commit(last_step: Callable[[], object]) -> None:
    """Run `last_step` inside the open transaction, after everything else was written."""
    if not db.session.info.get(_OPEN):
        raise RuntimeError("before_commit() needs an open transaction.")
    db.session.info[_BEFORE].append(last_step)


def after_commit(follow_up: Callable[[], object]) -> None:
    """Run `follow_up` once the open transaction has committed; never when it rolls back."""
    if not db.session.info.get(_OPEN):
        raise RuntimeError("after_commit() needs an open transaction.")
    db.session.info[_AFTER].append(follow_up)


def among(
    column: sa.ColumnElement[Value] | InstrumentedAttribute[Value], name: str = "ids"
) -> sa.ColumnElement[bool]:
    """Return the condition that `column` has one of the values that the statement is given as `name`.

    So the statement can be built once. Its text has a place for each value: an array would be one place, and
    the database would plan for ten values what is mostly asked of one, or plan it anew each time.
    """
    return column.in_(sa.bindparam(name, expanding=True))


def insert_row(model: type[Model], **values: Any) -> int:
    """Insert one row at once and return its id, for tables whose ids the database counts.

    Column defaults apply. Ten times as cheap as the same statement built for each row: what a move writes.
    """
    _flush_new()
    row_id: int = db.session.connection().execute(_insert_of(model), values).scalar_one()
    return row_id


def _flush_new() -> None:
    # A row may belong to one that is yet to be written; what is only changed is written once, at the end.
    if db.session.new:
        db.session.flush()


@functools.cache
def _insert_of(model: type[Model]) -> sa.Insert:
    table = model.__table__
    return sa.insert(table).returning(table.c.id)  # type: ignore[arg-type]


def insert_missing(model: type[Model], rows: Sequence[Mapping[str, Any]], *unique: str) -> int:
    """Insert those rows at once that are not there yet, and return how many were not.

    Args:
        rows: all with the same columns, which include the id.
        unique: the columns by which a row is there already; any unique index if none is named.
    """
    if not rows:
        return 0
    _flush_new()
    # The driver has a shorter way for one row.
    values = rows[0] if len(rows) == 1 else list(rows)
    written = db.session.connection().execute(_insert_missing_of(model, unique), values)
    return len(written.all())


@functools.cache
def _insert_missing_of(model: type[Model], unique: tuple[str, ...]) -> sa.Insert:
    table = model.__table__
    statement = insert(table).on_conflict_do_nothing(index_elements=unique or None)  # type: ignore[arg-type]
    return statement.returning(table.c.id)


def insert_soon(model: type[Model], rows: Sequence[Mapping[str, Any]], *unique: str) -> None:
    """Insert rows as `insert_missing` does; inside `written_together` at its end, with all others."""
    gathered: list[tuple[_Kind, Mapping[str, Any]]] | None = db.session.info.get(_GATHERED)
    if gathered is None:
        insert_missing(model, rows, *unique)
    else:
        gathered += [((model, unique, tuple(row)), row) for row in rows]


@contextmanager
def written_together() -> Iterator[None]:
    """Write in one statement what `insert_soon` is given inside; until then no statement sees it.

    A move adds rows to four tables and reads none of them, and each statement costs more than its row.
    """
    info = db.session.info
    if not info.get(_OPEN) or _GATHERED in info:
        raise RuntimeError("written_together() needs an open transaction, and cannot be nested.")
    gathered: list[tuple[_Kind, Mapping[str, Any]]] = []
    info[_GATHERED] = gathered
    try:
        yield
    finally:
        del info[_GATHERED]
    if gathered:
        _flush_new()
        statement = _insert_together(tuple(kind for kind, _ in gathered))
        values = {
            f"{name}_{place}": value for place, (_, row) in enumerate(gathered) for name, value in row.items()
        }
        db.session.connection().execute(statement, values)


@functools.lru_cache(256)
def _insert_together(kinds: tuple[_Kind, ...]) -> sa.Insert:
    # One INSERT a row: of many rows in one, the compiled text would not be kept.
    last, *others = [_insert_at(place, kind) for place, kind in enumerate(kinds)]
    return last.add_cte(*(each.cte(f"also_{place}") for place, each in enumerate(others)))


def _insert_at(place: int, kind: _Kind) -> sa.Insert:
    model, unique, names = kind
    table = model.__table__
    values = {name: sa.bindparam(f"{name}_{place}", type_=table.c[name].type) for name in names}
    return insert(table).values(values).on_conflict_do_nothing(index_elements=unique or None)  # type: ignore[arg-type]
