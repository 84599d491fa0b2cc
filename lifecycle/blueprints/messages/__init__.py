"""Doors to outgoing mail about cards: what waits, what left, and how a playbook's message would read."""

from __future__ import annotations

from flask import Blueprint

messages = Blueprint("messages", __name__)

from lifecycle.blueprints.messages import previews, routes  # noqa: E402, F401  (they hang themselves on it)
