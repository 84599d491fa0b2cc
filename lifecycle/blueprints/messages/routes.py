"""Messages about cards: the list, one message, and what is done about it before and after it leaves."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.messages import messages
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.text import LONGEST_SEARCH
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.messages import hold
from lifecycle.governance.playbooks.library import current
from lifecycle.insight.messages import LISTS, PAGE, WAYS, list_messages, read_message
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can, require
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to
from lifecycle.web.reader import reader_zone

_LAST_PAGE = 100_000


@messages.get("/messages")
def list_mail() -> ResponseReturnValue:
    """List messages about cards, the newest first, narrowed by words, state, way, card and playbook."""
    actor = current_actor()
    require(actor, "boards.read")
    chosen = request.args.get("state", "")
    chosen = chosen if chosen in LISTS else ""
    card_id = request.args.get("card", type=uuid.UUID)
    playbook = request.args.get("playbook", "").replace("\0", "")[:100] or None
    number = request.args.get("page", "1")
    page = min(int(number), _LAST_PAGE) if number.isdecimal() and 0 < len(number) < 9 else 1
    page = max(page, 1)
    way = request.args.get("by", "")
    way = way if way in WAYS else ""
    search = request.args.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    lines, has_more = list_messages(
        chosen, reader_zone(), card_id=card_id, playbook=playbook, way=way, search=search, page=page
    )
    return render_template(
        "messages/list.html",
        lines=lines,
        lists=LISTS,
        chosen=chosen,
        ways=WAYS,
        way=way,
        search=search,
        card=get_subject(card_id) if card_id else None,
        card_id=card_id,
        playbook=playbook,
        playbook_name=current(playbook).name if playbook else None,
        page=page,
        first=(page - 1) * PAGE + 1,
        has_more=has_more,
        can_see_automation=can(actor, "automation.read"),
        can_manage_channels=can(actor, "channels.manage"),
    )


@messages.get("/messages/<uuid:message_id>")
def show_message(message_id: uuid.UUID) -> ResponseReturnValue:
    """Show a message: whom it goes to, where it stands, why it was written, and its text."""
    require(current_actor(), "boards.read")
    return _page(message_id)


@messages.post("/messages/<uuid:message_id>/holds")
def create_hold(message_id: uuid.UUID) -> ResponseReturnValue:
    """Hold a message back."""
    return _act(message_id, hold.hold_message, "It is held until somebody lets it go.")


@messages.post("/messages/<uuid:message_id>/releases")
def create_release(message_id: uuid.UUID) -> ResponseReturnValue:
    """Let a held message go."""
    return _act(message_id, hold.release_message, "It goes on its way.")


@messages.post("/messages/<uuid:message_id>/departures")
def create_departure(message_id: uuid.UUID) -> ResponseReturnValue:
    """Send a message now that waits out its contact's quiet hours."""
    return _act(message_id, hold.send_now, "It does not wait for the end of their quiet hours.")


@messages.post("/messages/<uuid:message_id>/cancellations")
def create_cancellation(message_id: uuid.UUID) -> ResponseReturnValue:
    """Cancel a message that has not left."""
    return _act(message_id, hold.cancel_waiting, "It is cancelled and does not leave.")


@messages.post("/messages/<uuid:message_id>/resends")
def create_resend(message_id: uuid.UUID) -> ResponseReturnValue:
    """Send a message again, and lead to the new one."""
    return _act(message_id, hold.send_again, "It is sent again, as this new message.")


@messages.post("/messages/<uuid:message_id>/lines")
def create_line(message_id: uuid.UUID) -> ResponseReturnValue:
    """Put a line on top of a message, change it, or take it away."""
    typed = request.form.get("line", "")
    try:
        with transaction():
            message = hold.write_line(message_id, current_actor(), typed)
    except Invalid as refusal:
        return _page(message_id, typed=typed, problem=refusal.sentence), 422
    except Conflict as refusal:
        # What was typed is kept, even if nothing can be done with it here any more.
        return _page(message_id, typed=typed, problem=refusal.sentence), 409
    said = "The line stands on top of the message." if message.added_line else "The line is gone."
    flash(said, "passed")
    return go_to(url_for("messages.show_message", message_id=message_id))


def _act(
    message_id: uuid.UUID, act: Callable[[uuid.UUID, Actor], OutboxMessage], said: str
) -> ResponseReturnValue:
    try:
        with transaction():
            message = act(message_id, current_actor())
    except Conflict as refusal:
        flash(refusal.sentence, "error")
        return go_to(url_for("messages.show_message", message_id=message_id))
    flash(said, "passed")
    return go_to(url_for("messages.show_message", message_id=message.id))


def _page(message_id: uuid.UUID, *, typed: str | None = None, problem: str | None = None) -> str:
    return render_template(
        "messages/show.html",
        page=read_message(message_id, reader_zone()),
        can_act=can(current_actor(), "cards.edit"),
        longest_line=hold.LONGEST_LINE,
        typed=typed,
        problem=problem,
    )
