"""Client gates as staff see them."""

from __future__ import annotations

from flask import Blueprint

client_gates = Blueprint("client_gates", __name__)

from lifecycle.blueprints.client_gates import routes  # noqa: E402, F401  (routes hang themselves on it)
