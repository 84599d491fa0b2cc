"""Every component in every state, for the people who build pages; development and testing only."""

from __future__ import annotations

from flask import Blueprint

styleguide = Blueprint("styleguide", __name__)

from lifecycle.blueprints.styleguide import routes  # noqa: E402, F401  (routes hang themselves on it)
