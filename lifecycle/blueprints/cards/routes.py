"""The card itself: as a page, and as a drawer over its board."""

from __future__ import annotations

import uuid

from flask.typing import ResponseReturnValue

from lifecycle.blueprints.cards import cards
from lifecycle.blueprints.cards.answer import card_fragment, read_timeline
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import is_fragment_request, render_fragment


@cards.get("/cards/<uuid:card_id>")
def show_card(card_id: uuid.UUID) -> ResponseReturnValue:
    """Show a card."""
    return card_fragment("cards/drawer.html" if is_fragment_request() else "cards/show.html", card_id)


@cards.get("/cards/<uuid:card_id>/timeline")
def show_timeline(card_id: uuid.UUID) -> ResponseReturnValue:
    """Show part of a card's timeline: a fragment to htmx, the whole page otherwise."""
    require(current_actor(), "evidence.read")
    if not is_fragment_request():
        return card_fragment("cards/show.html", card_id)
    return render_fragment("evidence/timeline.html", link_cards=False, **read_timeline(get_subject(card_id)))
