"""The signed-in browser: beginning and ending it, and where it may go next."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

from flask import Response, g, session
from flask_login import login_user

from lifecycle.records.people.models import User


def begin_session(user: User) -> None:
    """Sign `user` in on this browser, in a session that nobody can have prepared: it begins empty."""
    session.clear()
    g.pop("actor", None)
    login_user(user)
    session.permanent = True


def own_path(address: str | None) -> str:
    """Return `address` if it is a path of this installation, else the start page."""
    if not address or not address.startswith("/") or len(address) > 2000:
        return "/"
    # Browsers drop control characters and read \ as /, so that "/\t/evil.example" would lead away.
    if any(letter == "\\" or unicodedata.category(letter)[0] in "CZ" for letter in address):
        return "/"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    return address if not parts.scheme and not parts.netloc and not address.startswith("//") else "/"


def was_refused(response: Response) -> bool:
    """Say whether an attempt failed: only those count towards a limit."""
    return response.status_code >= 400
