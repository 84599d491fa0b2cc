"""One handoff, and the receiving team's answer to it (E17)."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.handoffs import handoffs
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, Refusal
from lifecycle.governance.handoffs.answer import accept_handoff, return_handoff
from lifecycle.insight.work.handoffs import read_handoff
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import own_path
from lifecycle.web.htmx import go_to, render
from lifecycle.web.reader import current_reader


@handoffs.get("/handoffs/<uuid:handoff_id>")
def show_handoff(handoff_id: uuid.UUID) -> ResponseReturnValue:
    """Show what is handed over, and where its answer stands."""
    require(current_actor(), "boards.read")
    return _page(handoff_id)


@handoffs.post("/handoffs/<uuid:handoff_id>/acceptances")
def create_acceptance(handoff_id: uuid.UUID) -> ResponseReturnValue:
    """Accept a handoff for the receiving team."""
    return _answer(
        handoff_id,
        lambda actor: accept_handoff(handoff_id, actor),
        "Accepted. Whoever handed it over is told.",
    )


@handoffs.post("/handoffs/<uuid:handoff_id>/returns")
def create_return(handoff_id: uuid.UUID) -> ResponseReturnValue:
    """Return a handoff with what is missing."""
    reason = request.form.get("reason", "")
    return _answer(
        handoff_id,
        lambda actor: return_handoff(handoff_id, actor, reason),
        "Returned. Whoever handed it over has a task to mend it.",
    )


def _answer(handoff_id: uuid.UUID, act: Callable[[Actor], object], said: str) -> ResponseReturnValue:
    try:
        with transaction():
            act(current_actor())
    except (Invalid, Conflict) as refusal:
        return _page(handoff_id, refusal)
    flash(said, "passed")
    return go_to(own_path(request.form.get("next"), url_for("handoffs.show_handoff", handoff_id=handoff_id)))


def _page(handoff_id: uuid.UUID, refusal: Refusal | None = None) -> ResponseReturnValue:
    here = url_for("handoffs.show_handoff", handoff_id=handoff_id)
    return render(
        "handoffs/_answer.html",
        "handoffs/show.html",
        refusal.status if refusal else 200,
        shown=read_handoff(handoff_id, current_reader()),
        problem=refusal.sentence if refusal else None,
        is_return=request.endpoint == "handoffs.create_return",
        reason=request.form.get("reason", ""),
        next=own_path(request.form.get("next"), here),
    )
