"""The search box over accounts, contacts and cards."""

from __future__ import annotations

from flask import Blueprint

search = Blueprint("search", __name__)

from lifecycle.blueprints.search import routes  # noqa: E402, F401  (routes hang themselves on it)
