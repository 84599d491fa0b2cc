"""How people come in for the first time: the first administrator, and whoever is invited."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.people import people
from lifecycle.blueprints.people.browser_session import begin_session, was_refused
from lifecycle.blueprints.people.forms import FirstAdminForm, InvitationAcceptanceForm
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.extensions import limiter
from lifecycle.records.people import first_admin, invitations
from lifecycle.records.people.fields import time_zones
from lifecycle.records.people.models import User
from lifecycle.web.access import public
from lifecycle.web.htmx import go_to


@people.get("/first-admin")
@public
def show_first_admin() -> ResponseReturnValue:
    """Ask for the first administrator; there is nothing here once there are users."""
    if not first_admin.has_no_users():
        raise NotFound("This installation has its first administrator already. Log in, or ask to be invited.")
    return _first_admin_page(FirstAdminForm(formdata=None))


@people.post("/first-admin")
@public
@limiter.limit("20 per minute", deduct_when=was_refused)
def create_first_admin() -> ResponseReturnValue:
    """Create the first administrator and log them in."""
    form = FirstAdminForm()
    if not form.validate():
        return _first_admin_page(form), 422
    given = form.data
    try:
        with transaction():
            user = first_admin.create_first_admin(
                email=given["email"],
                name=given["name"],
                password=given["password"],
                time_zone=given["time_zone"],
            )
    except Invalid as refusal:
        form.refuse(refusal)
        return _first_admin_page(form), 422
    begin_session(user)
    return go_to("/")


@people.get("/invitations/<token>")
@public
def show_invitation(token: str) -> ResponseReturnValue:
    """Show what the invited person is asked for. Changes nothing: mail scanners open every link."""
    try:
        user = invitations.find_invited(token)
    except NotFound as gone:
        return _gone(gone)
    return _invitation_page(user, InvitationAcceptanceForm(formdata=None, obj=user), token)


@people.post("/invitations/<token>")
@public
@limiter.limit("20 per minute", deduct_when=was_refused)
def accept_invitation(token: str) -> ResponseReturnValue:
    """Make the invited person a user and log them in."""
    form = InvitationAcceptanceForm()
    try:
        invited = invitations.find_invited(token)
        if not form.validate():
            return _invitation_page(invited, form, token), 422
        given = form.data
        with transaction():
            user = invitations.accept_invitation(
                token, name=given["name"], password=given["password"], time_zone=given["time_zone"]
            )
    except NotFound as gone:
        return _gone(gone)
    except Invalid as refusal:
        form.refuse(refusal)
        return _invitation_page(invitations.find_invited(token), form, token), 422
    begin_session(user)
    return go_to("/")


def _first_admin_page(form: FirstAdminForm) -> str:
    return render_template("people/first_admin.html", form=form, time_zones=time_zones())


def _invitation_page(user: User, form: InvitationAcceptanceForm, token: str) -> str:
    return render_template(
        "people/invitation.html", form=form, user=user, token=token, time_zones=time_zones()
    )


def _gone(gone: NotFound) -> ResponseReturnValue:
    return render_template("people/link_gone.html", sentence=gone.sentence, may_ask=False), gone.status
