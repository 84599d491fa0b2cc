"""Handing credentials over to a client's contacts."""

from __future__ import annotations

from flask import Blueprint

credentials = Blueprint("credentials", __name__)

from lifecycle.blueprints.credentials import routes  # noqa: E402, F401  (routes hang themselves on it)
