"""Counting the statements that the application sends to its database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db


@contextmanager
def counted_queries(app: Flask) -> Iterator[list[str]]:
    """The statements sent meanwhile by this thread, by whatever part of the application.

    Another thread of the process reads the changes of boards every so often; those are nobody's page.
    """
    sent: list[str] = []
    own = threading.get_ident()

    def keep(*arguments: Any) -> None:
        if threading.get_ident() == own:
            sent.append(arguments[2])

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        sa.event.remove(engine, "before_cursor_execute", keep)
