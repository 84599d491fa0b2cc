"""Doors to the reader's notices."""

from __future__ import annotations

from flask import Blueprint

inbox = Blueprint("inbox", __name__)

from lifecycle.blueprints.inbox import routes  # noqa: E402, F401  (routes hang themselves on it)
