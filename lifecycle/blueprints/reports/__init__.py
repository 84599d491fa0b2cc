"""Stage reports and the command center."""

from __future__ import annotations

from flask import Blueprint

reports = Blueprint("reports", __name__)

from lifecycle.blueprints.reports import center_routes, routes  # noqa: E402, F401  (routes hang themselves on it)
