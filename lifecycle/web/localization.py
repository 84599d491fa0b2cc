"""Each person's language and time zone."""

from __future__ import annotations

from flask import has_request_context
from flask_login import current_user


def time_zone() -> str:
    """Return the time zone that dates are shown in: the user's own, else UTC."""
    if has_request_context() and current_user.is_authenticated:
        zone: str = current_user.time_zone
        return zone
    return "UTC"


def locale() -> str:
    """Return the language of pages; English until catalogs arrive."""
    return "en"
