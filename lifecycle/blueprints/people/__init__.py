"""Doors for people: logging in, invitations, passwords, one's own profile, and who works here."""

from __future__ import annotations

from flask import Blueprint

people = Blueprint("people", __name__)

from lifecycle.blueprints.people import (  # noqa: E402, F401  (routes hang themselves on it)
    arrivals,
    passwords,
    profile,
    sessions,
    users,
)
