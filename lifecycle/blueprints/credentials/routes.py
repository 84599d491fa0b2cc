"""The doors of credentials: what was handed over about a card, and handing more over (W13)."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.credentials import credentials
from lifecycle.core.clock import now
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, Refusal
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.requests.secrets import list_secrets, revoke_secret, send_secret
from lifecycle.insight.cards.page import read_facts
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can, require
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import uuid_of
from lifecycle.web.htmx import go_to


@credentials.get("/cards/<uuid:card_id>/credentials")
def list_credentials(card_id: uuid.UUID) -> ResponseReturnValue:
    """Show what was handed over about a card, and the form that hands more over."""
    require(current_actor(), "boards.read")
    return _page(card_id)


@credentials.post("/cards/<uuid:card_id>/credentials")
def create_credentials(card_id: uuid.UUID) -> ResponseReturnValue:
    """Hand credentials over to a contact."""
    form = request.form

    def act(subject: Subject, actor: Actor) -> None:
        send_secret(
            subject,
            actor,
            contact_id=uuid_of(form.get("contact")),
            title=form.get("title", ""),
            text=form.get("text", ""),
        )

    return _change(card_id, act, "The link is on its way. Nobody can read them here any more.")


@credentials.post("/cards/<uuid:card_id>/credentials/<uuid:secret_id>/revocations")
def create_revocation(card_id: uuid.UUID, secret_id: uuid.UUID) -> ResponseReturnValue:
    """Take credentials back that nobody has seen."""
    return _change(card_id, lambda subject, actor: revoke_secret(subject, actor, secret_id), "Taken back.")


def _change(card_id: uuid.UUID, act: Callable[[Subject, Actor], None], said: str) -> ResponseReturnValue:
    actor = current_actor()
    try:
        with transaction(), changing_card(card_id, actor, permission="client_requests.ask") as subject:
            act(subject, actor)
    except (Invalid, Conflict) as refusal:
        return _page(card_id, refusal), refusal.status
    flash(said, "passed")
    return go_to(url_for("credentials.list_credentials", card_id=card_id))


def _page(card_id: uuid.UUID, refusal: Refusal | None = None) -> str:
    subject = get_subject(card_id)
    return render_template(
        "credentials/list.html",
        subject=subject,
        secrets=list_secrets(card_id),
        contacts=[each for each in read_facts(card_id, subject.account.id).contacts if each.email],
        refusal=refusal,
        errors=refusal.field_errors if isinstance(refusal, Invalid) else {},
        typed=request.form if refusal else {},
        now=now(),
        can_act=can(current_actor(), "client_requests.ask"),
    )
