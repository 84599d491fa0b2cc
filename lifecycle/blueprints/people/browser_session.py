"""The signed-in browser: beginning its session, and what counts as a refused attempt."""

from __future__ import annotations

from flask import Response, g, session
from flask_login import login_user

from lifecycle.records.people.models import User


def begin_session(user: User) -> None:
    """Sign `user` in on this browser, in a session that nobody can have prepared: it begins empty."""
    session.clear()
    g.pop("actor", None)
    login_user(user)
    session.permanent = True


def was_refused(response: Response) -> bool:
    """Say whether an attempt failed: only those count towards a limit."""
    return response.status_code >= 400
