"""The evidence log: verifying it."""

from __future__ import annotations

from flask import Blueprint

evidence = Blueprint("evidence", __name__)

from lifecycle.blueprints.evidence import routes  # noqa: E402, F401  (routes hang themselves on it)
