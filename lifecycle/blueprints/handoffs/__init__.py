"""Doors to handoffs: what one carries, and the receiving team's answer."""

from __future__ import annotations

from flask import Blueprint

handoffs = Blueprint("handoffs", __name__)

from lifecycle.blueprints.handoffs import routes  # noqa: E402, F401  (routes hang themselves on it)
