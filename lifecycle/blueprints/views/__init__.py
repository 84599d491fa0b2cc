"""Saved views of boards."""

from __future__ import annotations

from flask import Blueprint

views = Blueprint("views", __name__)

from lifecycle.blueprints.views import routes  # noqa: E402, F401  (routes hang themselves on it)
