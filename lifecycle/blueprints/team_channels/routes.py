"""The channels of teams: the list, one channel, and what is done about it.

A secret is shown on the answer to what made it, and never again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from flask import flash, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.team_channels import team_channels
from lifecycle.blueprints.team_channels.forms import AddressForm, ChannelForm, NameForm
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid
from lifecycle.insight.team_channels import list_channel_lines, read_channel
from lifecycle.records.outbox.trials import send_test
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.records.team_channels import configure
from lifecycle.records.team_channels.models import TeamChannel
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to
from lifecycle.web.reader import reader_zone


@team_channels.get("/team-channels")
def list_team_channels() -> ResponseReturnValue:
    """List the channels, and those that playbooks name and nobody has set up."""
    require(current_actor(), configure.PERMISSION)
    lines, missing = list_channel_lines()
    return render_template("team_channels/list.html", lines=lines, missing=missing)


@team_channels.get("/team-channels/new")
def show_new_team_channel() -> ResponseReturnValue:
    """Ask what a new channel is."""
    require(current_actor(), configure.PERMISSION)
    return render_template("team_channels/new.html", form=ChannelForm(formdata=None))


@team_channels.post("/team-channels")
def create_team_channel() -> ResponseReturnValue:
    """Set a channel up."""
    require(current_actor(), configure.PERMISSION)
    form = ChannelForm()
    if not form.validate():
        return render_template("team_channels/new.html", form=form), 422
    try:
        with transaction():
            channel, secret = configure.create_channel(
                key=form.data["key"],
                name=form.data["name"],
                kind=form.data["kind"],
                address=form.data["address"],
                actor=current_actor(),
            )
    except Invalid as refusal:
        form.refuse(refusal)
        return render_template("team_channels/new.html", form=form), 422
    return _with_secret(channel, secret) if secret else _done(channel, f"#{channel.key} is set up.")


@team_channels.get("/team-channels/<uuid:channel_id>")
def show_team_channel(channel_id: uuid.UUID) -> ResponseReturnValue:
    """Show a channel: how it is doing, what was sent to it, and what can be done."""
    require(current_actor(), configure.PERMISSION)
    return _page(channel_id)


@team_channels.post("/team-channels/<uuid:channel_id>/names")
def rename_team_channel(channel_id: uuid.UUID) -> ResponseReturnValue:
    """Give a channel another name."""
    form = NameForm()
    if not form.validate():
        return _page(channel_id, name_form=form), 422
    try:
        with transaction():
            channel = configure.rename_channel(channel_id, name=form.data["name"], actor=current_actor())
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(channel_id, name_form=form), 422
    return _done(channel, "The name is saved.")


@team_channels.post("/team-channels/<uuid:channel_id>/addresses")
def replace_team_channel_address(channel_id: uuid.UUID) -> ResponseReturnValue:
    """Let a channel lead elsewhere."""
    form = AddressForm()
    if not form.validate():
        return _page(channel_id, address_form=form), 422
    try:
        with transaction():
            channel = configure.replace_address(
                channel_id, address=form.data["address"], actor=current_actor()
            )
    except Invalid as refusal:
        form.refuse(refusal)
        return _page(channel_id, address_form=form), 422
    return _done(channel, "The address is replaced.")


@team_channels.post("/team-channels/<uuid:channel_id>/secrets")
def rotate_team_channel_secret(channel_id: uuid.UUID) -> ResponseReturnValue:
    """Make a new secret, and show it once."""
    with transaction():
        channel, secret = configure.rotate_secret(channel_id, actor=current_actor())
    return _with_secret(channel, secret)


@team_channels.post("/team-channels/<uuid:channel_id>/tests")
def create_team_channel_test(channel_id: uuid.UUID) -> ResponseReturnValue:
    """Send a test message."""
    return _act(channel_id, send_test, "The test message is on its way; see below what becomes of it.")


@team_channels.post("/team-channels/<uuid:channel_id>/deactivations")
def switch_team_channel_off(channel_id: uuid.UUID) -> ResponseReturnValue:
    """Send nothing to a channel any more."""
    return _act(channel_id, configure.switch_off, "It is switched off.")


@team_channels.post("/team-channels/<uuid:channel_id>/reactivations")
def switch_team_channel_on(channel_id: uuid.UUID) -> ResponseReturnValue:
    """Send to a channel again."""
    return _act(channel_id, configure.switch_on, "It is switched on.")


def _act(channel_id: uuid.UUID, act: Callable[..., TeamChannel], said: str) -> ResponseReturnValue:
    actor: Actor = current_actor()
    with transaction():
        channel = act(channel_id, actor=actor)
    return _done(channel, said)


def _done(channel: TeamChannel, said: str) -> ResponseReturnValue:
    flash(said, "passed")
    return go_to(url_for("team_channels.show_team_channel", channel_id=channel.id))


def _with_secret(channel: TeamChannel, secret: str) -> ResponseReturnValue:
    response = make_response(render_template("team_channels/secret.html", channel=channel, secret=secret))
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(
    channel_id: uuid.UUID, *, name_form: NameForm | None = None, address_form: AddressForm | None = None
) -> str:
    require(current_actor(), configure.PERMISSION)
    page = read_channel(channel_id, reader_zone())
    return render_template(
        "team_channels/show.html",
        page=page,
        channel=page.channel,
        name_form=name_form or NameForm(formdata=None, data={"name": page.channel.name}),
        address_form=address_form or AddressForm(formdata=None),
    )
