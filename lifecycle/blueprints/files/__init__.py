"""Stored files, served so that nothing in them can act as this site."""

from __future__ import annotations

from flask import Blueprint

files = Blueprint("files", __name__)

from lifecycle.blueprints.files import routes  # noqa: E402, F401  (routes hang themselves on it)
