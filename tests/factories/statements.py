"""What a piece of work asks the database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Gather the SQL that this thread sends meanwhile, transaction control aside.

    The thread that reads changes for all open boards asks twice a second on its own account.
    """
    sent: list[str] = []
    asker = threading.get_ident()

    def keep(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if threading.get_ident() == asker and not statement.startswith("set transaction"):
            sent.append(statement)

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        sa.event.remove(engine, "before_cursor_execute", keep)
