"""What waits for a person or a department."""

from __future__ import annotations

from flask import Blueprint

work = Blueprint("work", __name__)

from lifecycle.blueprints.work import routes  # noqa: E402, F401  (routes hang themselves on it)
