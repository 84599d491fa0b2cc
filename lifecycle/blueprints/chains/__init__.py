"""The door to what followed from a move."""

from __future__ import annotations

from flask import Blueprint

chains = Blueprint("chains", __name__)

from lifecycle.blueprints.chains import routes  # noqa: E402, F401  (routes hang themselves on it)
