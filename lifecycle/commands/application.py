"""The application around a command: made from the environment, and closed again when the command is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from lifecycle.app import create_app
from lifecycle.core.db import db


@contextmanager
def application() -> Iterator[Flask]:
    """Give the application with its context pushed; its connections are closed afterwards.

    Raises:
        lifecycle.config.SettingsRefused: the settings would be unsafe.
    """
    app = create_app()
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()
            app.extensions["redis"].close()
