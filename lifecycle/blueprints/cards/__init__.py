"""One card: its page and drawer, its gate, its moves, and everything that is done for it."""

from __future__ import annotations

from flask import Blueprint

cards = Blueprint("cards", __name__)

from lifecycle.blueprints.cards import facts, moves, routes  # noqa: E402, F401  (they hang themselves on it)
