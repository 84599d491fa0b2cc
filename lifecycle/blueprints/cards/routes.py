"""The card itself: as a page, and as a drawer over its board."""

from __future__ import annotations

import uuid

from flask.typing import ResponseReturnValue

from lifecycle.blueprints.cards import cards
from lifecycle.blueprints.cards.answer import card_fragment
from lifecycle.web.htmx import is_fragment_request


@cards.get("/cards/<uuid:card_id>")
def show_card(card_id: uuid.UUID) -> ResponseReturnValue:
    """Show a card."""
    return card_fragment("cards/drawer.html" if is_fragment_request() else "cards/show.html", card_id)
