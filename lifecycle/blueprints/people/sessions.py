"""Logging in and out."""

from __future__ import annotations

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from lifecycle.blueprints.people import people
from lifecycle.blueprints.people.browser_session import begin_session, was_refused
from lifecycle.blueprints.people.forms import LogInForm
from lifecycle.core.db import transaction
from lifecycle.extensions import limiter
from lifecycle.records.people.first_admin import has_no_users
from lifecycle.records.people.log_in import log_in, log_out
from lifecycle.web.access import current_actor, public
from lifecycle.web.addresses import own_path
from lifecycle.web.htmx import go_to

# One sentence for whatever was wrong, so that nobody learns which addresses are in use.
_REFUSED = (
    "This email address and password do not belong together. "
    "After ten wrong tries an account rests for 15 minutes."
)


@people.get("/login")
@public
def show_login() -> ResponseReturnValue:
    """Show the log-in page; lead on who is signed in, or who comes to an empty installation."""
    if current_user.is_authenticated:
        return redirect(own_path(request.args.get("next")), 303)
    if has_no_users():
        return redirect(url_for("people.show_first_admin"), 303)
    return render_template("people/log_in.html", form=LogInForm(formdata=None), next=request.args.get("next"))


@people.post("/login")
@public
@limiter.limit("20 per minute; 200 per hour", deduct_when=was_refused)
def create_session() -> ResponseReturnValue:
    """Log in and lead to the page that was asked for, if it is one of ours."""
    form = LogInForm()
    after = request.form.get("next") or request.args.get("next")
    user = None
    if form.validate():
        with transaction():
            user = log_in(form.data["email"], form.data["password"])
        if user is None:
            form.form_errors.append(_REFUSED)
    if user is None:
        return render_template("people/log_in.html", form=form, next=after), 422
    begin_session(user)
    return go_to(own_path(after))


@people.post("/logout")
@public
def end_session() -> ResponseReturnValue:
    """Log out in this browser, and forget all that its session holds."""
    if current_user.is_authenticated:
        with transaction():
            log_out(current_actor())
        logout_user()
    session.clear()
    return go_to(url_for("people.show_login"))
