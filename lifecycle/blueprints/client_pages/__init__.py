"""What a client sees from an emailed link: no account, one thing to do."""

from __future__ import annotations

from flask import Blueprint

client_pages = Blueprint("client_pages", __name__)

from lifecycle.blueprints.client_pages import credentials, forms, languages, legal, portal, routes  # noqa: E402, F401  (routes hang themselves on it)
