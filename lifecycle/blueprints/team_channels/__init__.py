"""Doors to the channels of teams: for administrators."""

from __future__ import annotations

from flask import Blueprint

team_channels = Blueprint("team_channels", __name__)

from lifecycle.blueprints.team_channels import routes  # noqa: E402, F401  (they hang themselves on it)
