"""Run one of our SQL files inside a migration: triggers read better as SQL."""

from __future__ import annotations

from importlib.resources import files

from alembic import op


def run_sql(name: str) -> None:
    """Execute `migrations/sql/<name>` as it stands."""
    text = (files("lifecycle") / "migrations" / "sql" / name).read_text(encoding="utf-8")
    # The driver's own cursor: SQLAlchemy would read % as a parameter.
    cursor = op.get_bind().connection.cursor()
    try:
        cursor.execute(text)
    finally:
        cursor.close()
