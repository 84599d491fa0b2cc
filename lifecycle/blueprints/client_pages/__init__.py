"""What a client sees from an emailed link: no account, one thing to do."""

from __future__ import annotations

from flask import Blueprint

client_pages = Blueprint("client_pages", __name__)

from lifecycle.blueprints.client_pages import (  # noqa: E402  (routes hang themselves on it)
    credentials,  # noqa: F401
    forms,  # noqa: F401
    languages,  # noqa: F401
    legal,  # noqa: F401
    portal,  # noqa: F401
    preferences,  # noqa: F401
    routes,  # noqa: F401
)
