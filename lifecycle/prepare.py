"""Make a database ready: migrate it as its owner and grant the two lesser roles what they need.

Three roles (E6, E16): the owner migrates; the app cannot change or delete evidence, files, gate reports,
finished visits or revisions, nor disable a trigger; the reader reads reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from lifecycle.config import SettingsRefused, sqlalchemy_url
from lifecycle.core.locks import AdvisoryLock
from lifecycle.schema import METADATA

_MIGRATIONS = Path(str(files("lifecycle"))) / "migrations"

# Everything not named here may be inserted, updated and read by the app, and never deleted.
_APPEND_ONLY = frozenset(
    {
        "events",
        "evidence_heads",
        "gate_reports",
        "playbook_revisions",
        "approval_decisions",
        "files",
        "file_contents",
        "file_chunks",
        "request_submissions",
        "request_reviews",
    }
)
_DELETABLE = frozenset(
    {
        "user_departments",
        "user_tokens",
        "collapsed_columns",
        "board_changes",
        "import_row_errors",
        "saved_views",
        "stage_total_changes",
        "flow_changes",
    }
)
# What a report never needs to see.
_HIDDEN_FROM_READER = frozenset(
    {
        "user_tokens",
        "file_contents",
        "file_chunks",
        "file_thumbnails",
        "outbox_messages",
        "client_secrets",
        "client_codes",
    }
)
_READER_COLUMNS = {
    "users": ("id", "email", "name", "role", "time_zone", "is_active", "created_at", "last_login_at")
}


def migrate(owner_url: str, app_role: str, reader_role: str) -> None:
    """Bring the database to the newest schema and apply the grants; safe to run at every start.

    Args:
        owner_url: address of the database, logging in as the tables' owner.
        app_role: the role the application logs in as.
        reader_role: the role that reads reports.
    """
    with _upgraded(owner_url) as connection:
        _grant(connection, app_role, reader_role)


def upgrade(owner_url: str) -> None:
    """Bring the database to the newest schema as `migrate` does, and give nobody any rights."""
    with _upgraded(owner_url):
        pass


@contextmanager
def _upgraded(owner_url: str) -> Iterator[Connection]:
    engine = sa.create_engine(sqlalchemy_url(owner_url), poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            # Two starters at once: the second waits and then finds nothing to do.
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.MIGRATION})
            command.upgrade(alembic_config(connection), "head")
            yield connection
    finally:
        engine.dispose()


def role_of(url: str) -> str:
    """Return the role that an address logs in as.

    Raises:
        SettingsRefused: the address names none.
    """
    name = urlsplit(url).username
    if not name:
        raise SettingsRefused("The database address must name the role it logs in as: postgresql://role@...")
    return unquote(name)


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for our migrations on `connection`."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _grant(connection: Connection, app_role: str, reader_role: str) -> None:
    quote = connection.dialect.identifier_preparer.quote
    app, reader = quote(app_role), quote(reader_role)
    statements = [
        f"grant usage on schema public to {app}, {reader}",
        f"revoke all on all tables in schema public from {app}, {reader}",
        f"grant usage, select on all sequences in schema public to {app}",
        # Readiness asks whether the schema is there.
        f"grant select on alembic_version to {app}",
    ]
    for table in METADATA.sorted_tables:
        name = quote(table.name)
        statements.append(f"grant {_app_privileges(table.name)} on {name} to {app}")
        if table.name in _READER_COLUMNS:
            statements.append(
                f"grant select ({', '.join(_READER_COLUMNS[table.name])}) on {name} to {reader}"
            )
        elif table.name not in _HIDDEN_FROM_READER:
            statements.append(f"grant select on {name} to {reader}")
    for statement in statements:
        connection.execute(sa.text(statement))


def _app_privileges(table: str) -> str:
    if table in _APPEND_ONLY:
        return "select, insert"
    if table in _DELETABLE:
        return "select, insert, update, delete"
    return "select, insert, update"
