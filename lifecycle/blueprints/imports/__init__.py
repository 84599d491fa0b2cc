"""Putting the rows of a file on a board: upload, mapping, dry run, run, withdrawal."""

from __future__ import annotations

from flask import Blueprint

imports = Blueprint("imports", __name__, url_prefix="/imports")

from lifecycle.blueprints.imports import mapping, routes  # noqa: E402, F401  (routes hang themselves on it)
