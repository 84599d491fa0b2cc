"""Who works here: for administrators. Permission is checked in the domain, and here for reading."""

from __future__ import annotations

import uuid

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.people import people
from lifecycle.blueprints.people.forms import StandingForm, UserInvitationForm
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.records.people import administration, queries
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to


@people.get("/users")
def list_users() -> ResponseReturnValue:
    """List users by name, narrowed by a search and a standing."""
    require(current_actor(), "users.manage")
    search = request.args.get("q", "").replace("\0", "").strip()[:200]
    standing = request.args.get("standing", "")
    page = max(1, min(request.args.get("page", 1, type=int), 10_000))
    users, total = queries.list_users(search=search, standing=standing, page=page)
    return render_template(
        "people/users.html",
        users=users,
        total=total,
        first=(page - 1) * queries.PAGE + 1,
        page=page,
        last_page=(total + queries.PAGE - 1) // queries.PAGE,
        search=search,
        standing=standing,
        counts=queries.count_by_standing(),
    )


@people.get("/users/invitations/new")
def show_user_invitation() -> ResponseReturnValue:
    """Ask whom to invite."""
    require(current_actor(), "users.manage")
    form = UserInvitationForm(formdata=None)
    form.offer(list(queries.list_departments()))
    return render_template("people/invite.html", form=form)


@people.post("/users/invitations")
def invite_user() -> ResponseReturnValue:
    """Invite somebody by mail."""
    require(current_actor(), "users.manage")
    form = UserInvitationForm()
    form.offer(list(queries.list_departments()))
    if not form.validate():
        return render_template("people/invite.html", form=form), 422
    try:
        with transaction():
            user = administration.invite_user(
                email=form.data["email"],
                name=form.data["name"],
                role=form.data["role"],
                departments=form.data["departments"] or (),
                actor=current_actor(),
            )
    except Invalid as refusal:
        form.refuse(refusal)
        return render_template("people/invite.html", form=form), 422
    flash(f"{user.name} is invited. The mail is on its way.", "passed")
    return go_to(url_for("people.list_users"))


@people.get("/users/<uuid:user_id>")
def show_user(user_id: uuid.UUID) -> ResponseReturnValue:
    """Show one user and what can be done about them."""
    require(current_actor(), "users.manage")
    return _page(queries.get_user(user_id))


@people.post("/users/<uuid:user_id>")
def change_user(user_id: uuid.UUID) -> ResponseReturnValue:
    """Change somebody's role and departments."""
    require(current_actor(), "users.manage")
    form = StandingForm()
    form.offer(list(queries.list_departments()))
    if not form.validate():
        return _page(queries.get_user(user_id), form), 422
    try:
        with transaction():
            user = administration.change_user(
                user_id,
                role=form.data["role"],
                departments=form.data["departments"] or (),
                actor=current_actor(),
            )
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(queries.get_user(user_id), form), 422
    except Conflict as refusal:
        form.form_errors.append(refusal.sentence)
        return _page(queries.get_user(user_id), form), 409
    flash(f"{user.name} is saved.", "passed")
    return go_to(url_for("people.show_user", user_id=user_id))


@people.post("/users/<uuid:user_id>/invitations")
def resend_invitation(user_id: uuid.UUID) -> ResponseReturnValue:
    """Send an invitation again; the earlier link dies."""
    with transaction():
        user = administration.resend_invitation(user_id, actor=current_actor())
    return _done(user, f"The invitation for {user.name} is on its way again.")


@people.post("/users/<uuid:user_id>/invitation-withdrawals")
def revoke_invitation(user_id: uuid.UUID) -> ResponseReturnValue:
    """Withdraw an invitation."""
    with transaction():
        user = administration.revoke_invitation(user_id, actor=current_actor())
    return _done(user, f"The invitation for {user.name} is withdrawn. You can invite them again.")


@people.post("/users/<uuid:user_id>/deactivations")
def deactivate_user(user_id: uuid.UUID) -> ResponseReturnValue:
    """Keep somebody out, from this moment."""
    with transaction():
        user = administration.deactivate_user(user_id, actor=current_actor())
    return _done(user, f"{user.name} is deactivated and signed out everywhere.")


@people.post("/users/<uuid:user_id>/reactivations")
def reactivate_user(user_id: uuid.UUID) -> ResponseReturnValue:
    """Let somebody in again."""
    with transaction():
        user = administration.reactivate_user(user_id, actor=current_actor())
    return _done(user, f"{user.name} can log in again.")


def _page(user: User, form: StandingForm | None = None) -> str:
    if form is None:
        data = {"role": user.role, "departments": [department.key for department in user.departments]}
        form = StandingForm(formdata=None, data=data)
        form.offer(list(queries.list_departments()))
    return render_template("people/user.html", user=user, form=form, invitation=queries.get_invitation(user))


def _done(user: User, sentence: str) -> ResponseReturnValue:
    flash(sentence, "passed")
    return go_to(url_for("people.show_user", user_id=user.id))
