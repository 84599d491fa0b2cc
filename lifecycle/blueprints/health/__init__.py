"""Liveness and readiness, for supervisors and load balancers."""

from __future__ import annotations

from flask import Blueprint

health = Blueprint("health", __name__)

from lifecycle.blueprints.health import routes  # noqa: E402, F401  (routes hang themselves on it)
