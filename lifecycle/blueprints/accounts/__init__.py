"""Doors for accounts and the people in them."""

from __future__ import annotations

from flask import Blueprint

accounts = Blueprint("accounts", __name__)

from lifecycle.blueprints.accounts import account_routes, contact_routes  # noqa: E402, F401  (they hang themselves on it)
