"""Doors to the health of the automation: what failed, what ran, what waits."""

from __future__ import annotations

from flask import Blueprint

automation = Blueprint("automation", __name__)

from lifecycle.blueprints.automation import routes  # noqa: E402, F401  (routes hang themselves on it)
