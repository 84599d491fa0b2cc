"""The chain of a move: stage change, rules, alerts, client notices, evidence, next gate (W19)."""

from __future__ import annotations

import uuid

from flask import render_template
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.chains import chains
from lifecycle.insight.chain import read_chain
from lifecycle.records.people.permissions import can, require
from lifecycle.web.access import current_actor
from lifecycle.web.reader import reader_zone


@chains.get("/cards/<uuid:card_id>/visits/<int:visit_id>")
def show_chain(card_id: uuid.UUID, visit_id: int) -> ResponseReturnValue:
    """Show what followed from the move that opened a stay in a stage."""
    actor = current_actor()
    require(actor, "boards.read")
    return render_template(
        "chains/show.html",
        chain=read_chain(card_id, visit_id, actor, reader_zone()),
        can_see_automation=can(actor, "automation.read"),
    )
