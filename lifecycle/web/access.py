"""Who is asking: every route needs a log-in unless it is marked `@public`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Flask, Response, abort, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response as BaseResponse

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.extensions import login_manager
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User

# Every request asks this, so it is built once, and the departments come along.
_USER = sa.select(User).options(joinedload(User.departments)).where(User.id == sa.bindparam("id"))

_SIGNED_ON = "signed_on"

View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Mark a view as open to people who are not logged in."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    """Guard every route and teach Flask-Login to find users."""
    login_manager.user_loader(_load_user)
    app.before_request(_sign_daily)
    app.before_request(_require_login)


def current_actor() -> Actor:
    """Return who is asking, as the domain wants to know it; only inside guarded routes."""
    if "actor" not in g:
        g.actor = Actor.of(current_user)
    actor: Actor = g.actor
    return actor


def has_session(*, load_user: bool = False) -> bool:
    """Say whether the request carries a signed session of somebody, cheaply: without asking the database.

    Args:
        load_user: ask it after all, so that somebody who was signed out meanwhile is refused.
    """
    if load_user:
        return bool(current_user.is_authenticated)
    return "_user_id" in session


def log_in_address() -> str:
    """Return the log-in page's address, which leads back here afterwards."""
    here = request.full_path.rstrip("?") if request.method == "GET" else None
    return url_for("people.show_login", next=here)


def _sign_daily() -> None:
    # A log-in lasts as long as it is used. Its cookie need not be signed and sent with every answer for that.
    if request.endpoint == "static" or "_user_id" not in session:
        return
    today = now().date().isoformat()
    if session.get(_SIGNED_ON) != today:
        session[_SIGNED_ON] = today


def _load_user(session_id: str) -> User | None:
    user_id, _, epoch = session_id.partition(":")
    try:
        user = db.session.scalars(_USER, {"id": uuid.UUID(user_id)}).unique().one_or_none()
    except ValueError:
        return None
    if user is None or not user.is_active or str(user.session_epoch) != epoch:
        return None
    return user


def _require_login() -> ResponseReturnValue | None:
    if request.endpoint is None or request.endpoint == "static":
        return None
    view = current_app.view_functions[request.endpoint]
    if getattr(view, "is_public", False) or current_user.is_authenticated:
        return None
    if request.headers.get("HX-Request") == "true":
        # A redirect would put the log-in page inside a column.
        return Response(status=401, headers={"HX-Redirect": log_in_address()})
    if request.method != "GET" and request.accept_mimetypes.best != "text/html":
        abort(401)
    answer: BaseResponse = redirect(log_in_address(), 303)
    return answer
