"""Counting the statements that the application sends to its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db


@contextmanager
def counted_queries(app: Flask) -> Iterator[list[str]]:
    """The statements sent meanwhile, by whatever part of the application."""
    sent: list[str] = []

    def keep(*arguments: Any) -> None:
        sent.append(arguments[2])

    with app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        sa.event.remove(engine, "before_cursor_execute", keep)
