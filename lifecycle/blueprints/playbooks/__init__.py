"""Doors to the playbooks: what is published, what each stage asks for, what the doctor says."""

from __future__ import annotations

from flask import Blueprint

playbooks = Blueprint("playbooks", __name__)

from lifecycle.blueprints.playbooks import routes  # noqa: E402, F401  (routes hang themselves on it)
