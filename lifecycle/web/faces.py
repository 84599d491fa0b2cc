"""Drawn faces of cards, kept while nothing on them changes: most of a board was drawn for somebody before."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from flask import Flask
from jinja2 import Environment
from markupsafe import Markup

from lifecycle.insight.boards.view import CardFace

# About 2.4 KB each, so at most 20 MB a process.
KEPT = 8192


def init_app(app: Flask) -> None:
    """Offer `faces(cards, sprite)` to templates: the cards as components/card_face.html draws them."""
    environment = app.jinja_env
    # Who works on the templates wants to see them change.
    draw = _draw if environment.auto_reload else lru_cache(maxsize=KEPT)(_draw)

    def faces(cards: Iterable[CardFace], sprite: str) -> Markup:
        # `sprite`, the address of the icons, is all that a face shows besides its card.
        return Markup("").join([draw(environment, card, sprite) for card in cards])

    environment.globals["faces"] = faces


def _draw(environment: Environment, card: CardFace, sprite: str) -> Markup:
    # The module of a template is built once, so this costs no more than a macro imported by a page.
    drawn: Markup = environment.get_template("components/card_face.html").module.card_face(card, sprite)  # type: ignore[attr-defined]
    return drawn
