"""One's own profile."""

from __future__ import annotations

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from lifecycle.blueprints.people import people
from lifecycle.blueprints.people.browser_session import begin_session, was_refused
from lifecycle.blueprints.people.forms import PasswordChangeForm, ProfileForm
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid
from lifecycle.extensions import limiter
from lifecycle.records.people import profile
from lifecycle.records.people.fields import time_zones
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to


@people.get("/profile")
def show_profile() -> ResponseReturnValue:
    """Show what people may change about themselves."""
    return _page()


@people.post("/profile")
def change_profile() -> ResponseReturnValue:
    """Change one's name and time zone."""
    form = ProfileForm()
    if not form.validate():
        return _page(profile_form=form), 422
    try:
        with transaction():
            profile.change_profile(
                name=form.data["name"], time_zone=form.data["time_zone"], actor=current_actor()
            )
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(profile_form=form), 422
    flash("Your profile is saved.", "passed")
    return go_to(url_for("people.show_profile"))


@people.post("/profile/password")
@limiter.limit("10 per minute", deduct_when=was_refused)
def change_password() -> ResponseReturnValue:
    """Change one's password; this browser stays signed in, the others do not."""
    form = PasswordChangeForm()
    if not form.validate():
        return _page(password_form=form), 422
    try:
        with transaction():
            user = profile.change_password(
                current=form.data["current"], password=form.data["password"], actor=current_actor()
            )
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(password_form=form), 422
    if user is None:
        sentence = "This is not your current password."
        form.refuse(Invalid(sentence, {"current": sentence}))
        return _page(password_form=form), 422
    begin_session(user)
    flash("Your password is changed. Other browsers were signed out.", "passed")
    return go_to(url_for("people.show_profile"))


@people.post("/profile/session-ends")
def end_other_sessions() -> ResponseReturnValue:
    """Sign out in every other browser."""
    with transaction():
        user = profile.end_other_sessions(actor=current_actor())
    begin_session(user)
    flash("Other browsers were signed out.", "passed")
    return go_to(url_for("people.show_profile"))


def _page(profile_form: ProfileForm | None = None, password_form: PasswordChangeForm | None = None) -> str:
    return render_template(
        "people/profile.html",
        profile_form=profile_form or ProfileForm(formdata=None, obj=current_user),
        password_form=password_form or PasswordChangeForm(formdata=None),
        time_zones=time_zones(),
    )
