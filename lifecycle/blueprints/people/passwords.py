"""Forgotten passwords."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.people import people
from lifecycle.blueprints.people.browser_session import begin_session, was_refused
from lifecycle.blueprints.people.forms import NewPasswordForm, PasswordResetRequestForm
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.core.tokens import hash_token
from lifecycle.extensions import limiter
from lifecycle.records.people import password_resets
from lifecycle.records.people.models import User
from lifecycle.web.access import public
from lifecycle.web.htmx import go_to


def _asked_for() -> str:
    """The address, hashed: limits are kept in Redis, where no address belongs."""
    return hash_token(request.form.get("email", "").strip().casefold())


@people.get("/password-resets")
@public
def show_password_reset_request() -> ResponseReturnValue:
    """Ask for the address of whoever forgot a password."""
    return render_template("people/password_reset_request.html", form=PasswordResetRequestForm(formdata=None))


@people.post("/password-resets")
@public
@limiter.limit("10 per minute; 60 per hour")
@limiter.limit("5 per hour", key_func=_asked_for)
def create_password_reset() -> ResponseReturnValue:
    """Send a link if somebody has this address, and say the same in either case."""
    form = PasswordResetRequestForm()
    if not form.validate():
        return render_template("people/password_reset_request.html", form=form), 422
    with transaction():
        password_resets.request_password_reset(form.data["email"])
    return render_template("people/password_reset_sent.html", email=form.data["email"].strip())


@people.get("/password-resets/<token>")
@public
def show_password_reset(token: str) -> ResponseReturnValue:
    """Ask for the new password. Changes nothing: mail scanners open every link."""
    try:
        user = password_resets.find_resetting(token)
    except NotFound as gone:
        return _gone(gone)
    return _page(user, NewPasswordForm(formdata=None), token)


@people.post("/password-resets/<token>")
@public
@limiter.limit("20 per minute", deduct_when=was_refused)
def reset_password(token: str) -> ResponseReturnValue:
    """Set the new password and log its owner in here; everywhere else they are signed out."""
    form = NewPasswordForm()
    try:
        resetting = password_resets.find_resetting(token)
        if not form.validate():
            return _page(resetting, form, token), 422
        with transaction():
            user = password_resets.reset_password(token, password=form.data["password"])
    except NotFound as gone:
        return _gone(gone)
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(password_resets.find_resetting(token), form, token), 422
    begin_session(user)
    return go_to("/")


def _page(user: User, form: NewPasswordForm, token: str) -> str:
    return render_template("people/password_reset.html", form=form, user=user, token=token)


def _gone(gone: NotFound) -> ResponseReturnValue:
    return render_template("people/link_gone.html", sentence=gone.sentence, may_ask=True), gone.status
