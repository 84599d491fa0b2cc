"""The local mailbox: what was mailed while no mail server was given; development and testing only."""

from __future__ import annotations

from flask import Blueprint

mailbox = Blueprint("mailbox", __name__, url_prefix="/dev/mailbox")

from lifecycle.blueprints.mailbox import routes  # noqa: E402, F401  (routes hang themselves on it)
