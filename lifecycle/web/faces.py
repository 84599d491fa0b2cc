"""Drawn faces of cards, kept while nothing on them changes: most of a board was drawn for somebody before."""

from __future__ import annotations

from functools import lru_cache

from flask import Flask, current_app
from markupsafe import Markup

from lifecycle.insight.boards.view import CardFace

# About 2.4 KB each, so at most 20 MB a process.
KEPT = 8192


def init_app(app: Flask) -> None:
    """Offer `face(card, sprite)` to templates."""
    app.jinja_env.globals["face"] = face


def face(card: CardFace, sprite: str) -> Markup:
    """Return the face as drawn by components/card_face.html.

    Args:
        card: everything that the face shows, so an equal one looks the same to every reader.
        sprite: address of the icons; it changes with them.
    """
    if current_app.jinja_env.auto_reload:
        return _draw(card, sprite)
    return _drawn(card, sprite)


def _draw(card: CardFace, sprite: str) -> Markup:
    # The module of a template is built once, so this costs no more than a macro imported by a page.
    drawn: Markup = current_app.jinja_env.get_template("components/card_face.html").module.card_face(  # type: ignore[attr-defined]
        card, sprite
    )
    return drawn


_drawn = lru_cache(maxsize=KEPT)(_draw)
