"""A playbook's message as it would read for a card."""

from __future__ import annotations

import uuid

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.messages import messages
from lifecycle.insight.message_previews import read_preview
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import short_text


@messages.get("/playbooks/<string:playbook>/messages/<string:name>")
def show_preview(playbook: str, name: str) -> ResponseReturnValue:
    """Show a message filled in for a card: the one in the address, the best match of `q`, or the latest."""
    actor = current_actor()
    require(actor, "playbooks.read")
    require(actor, "boards.read")
    query = short_text(request.args.get("q"))
    card_id = request.args.get("card", type=uuid.UUID)
    return render_template(
        "messages/preview.html", preview=read_preview(playbook, name, card_id, query), query=query
    )
