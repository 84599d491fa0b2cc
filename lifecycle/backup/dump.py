"""Taking a backup while the product works: everything in it is of one moment."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final

import psycopg
from psycopg import sql

from lifecycle.backup import archive, programs
from lifecycle.backup.archive import Manifest
from lifecycle.core.errors import Refusal

COUNTED: Final = ("accounts", "cards", "stage_visits", "events", "files", "outbox_messages", "users")


def back_up(file: Path, url: str, secret_key: str) -> Manifest:
    """Write a backup of the database at `url` to `file`, which must not exist; nobody has to wait for it.

    Args:
        url: an address whose role may read every table; the owner's, or the app's.

    Raises:
        Refusal: the database was never prepared, a program is missing or failed, or the file exists.
    """
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            # The moment of the manifest, its counts and the dump: pg_dump is told this very snapshot.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            manifest = _manifest(connection, secret_key)
            snapshot = _one(connection, "select pg_export_snapshot()")
            program = programs.find("pg_dump", programs.major_of(connection.info.server_version))

            def dump(into: IO[bytes]) -> None:
                # Owners and rights are those of the roles here; a restore gives them to those there.
                options = [
                    "--format=custom",
                    "--compress=1",
                    "--no-owner",
                    "--no-privileges",
                    "--no-comments",
                ]
                waits = ["--lock-wait-timeout=60s", f"--snapshot={snapshot}", "--no-password"]
                programs.pipe_out([program, *options, *waits], url, into)

            return archive.write(file, manifest, dump)
    except FileExistsError:
        raise Refusal(f"{file} exists already: name a file that does not.") from None
    except OSError as error:
        raise Refusal(f"{file} cannot be written: {error.strerror}.") from None
    except psycopg.errors.UndefinedTable:
        raise Refusal("There is nothing to back up: this database was never prepared.") from None
    except psycopg.OperationalError as error:
        raise Refusal(f"The database cannot be reached: {str(error).strip()}") from None


def _manifest(connection: psycopg.Connection, secret_key: str) -> Manifest:
    row = connection.execute("select version_num, now() from alembic_version").fetchone()
    if row is None:
        raise Refusal("There is nothing to back up: this database was never prepared.")
    return Manifest(
        made_at=row[1],
        migration=str(row[0]),
        postgresql=connection.info.server_version,
        secret_key=archive.key_mark(secret_key),
        rows=count_rows(connection),
        in_bucket=_count_in_bucket(connection),
    )


def count_rows(connection: psycopg.Connection) -> dict[str, int]:
    """Return how many rows the tables have that a restore is compared by."""
    query = sql.SQL(" union all ").join(
        sql.SQL("select {}, count(*) from {}").format(sql.Literal(name), sql.Identifier(name))
        for name in COUNTED
    )
    return {str(name): int(count) for name, count in connection.execute(query)}


def _count_in_bucket(connection: psycopg.Connection) -> int:
    # A schema that is yet to be brought up to date knows no bucket.
    knows = (
        "select count(*) from pg_attribute where attrelid = 'file_contents'::regclass and attname = 'place'"
    )
    if _one(connection, knows) == "0":
        return 0
    lie = "select count(*) from files join file_contents using (sha256) where place = 's3'"
    return int(_one(connection, lie))


def _one(connection: psycopg.Connection, query: str) -> str:
    row = connection.execute(query).fetchone()
    assert row is not None
    return str(row[0])
