"""Writing very many rows at once with COPY: a tenth of the work of an INSERT, and no statement to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy.exc import DBAPIError

from lifecycle.core.db import Model, db


def copy_rows(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of a model in the open transaction; every row has the columns of the first.

    A column that is not named gets the database's default, never the model's: name all that have one.

    Raises:
        sqlalchemy.exc.DBAPIError: the kind that an INSERT would raise.
    """
    if not rows:
        return
    columns = list(rows[0])
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(model.__tablename__), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    db.session.flush()  # The rows may name what waits to be written.
    connection = db.session.connection().connection.driver_connection
    assert connection is not None
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([_adapted(row[column]) for column in columns])
    except psycopg.Error as error:
        raise DBAPIError.instance(f"copy {model.__tablename__}", None, error, psycopg.Error) from error


def _adapted(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict | list) else value
