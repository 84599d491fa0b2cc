"""Boards: the columns of a pipeline, quick add, bulk moves and live changes."""

from __future__ import annotations

from flask import Blueprint

boards = Blueprint("boards", __name__)

from lifecycle.blueprints.boards import lanes, listing, live, past, routes  # noqa: E402, F401  (they hang themselves on it)
