"""Where the command palette leads besides what was found: pages, boards, and what can be begun."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import current_app, url_for

from lifecycle.core.text import search_words
from lifecycle.insight.boards.directory import list_board_names
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can
from lifecycle.web.navigation import navigation


@dataclass(frozen=True)
class Place:
    """A page that one may go to; `note` says what kind it is, and is searched too."""

    label: str
    url: str
    icon: str
    note: str = ""


def list_places(query: str, actor: Actor) -> tuple[list[Place], list[Place]]:
    """Return (pages and boards, what can be begun) that have every word of `query`. One query."""
    boards = list_board_names()
    words = [_plain(word) for word in search_words(query)]
    places = [*_pages(), *_boards(boards, with_lists=bool(words))]
    return _having(words, places), _having(words, list(_beginnings(boards, actor)))


def _pages() -> Iterator[Place]:
    for item in navigation(current_app):
        for page in item.children or (item,):
            yield Place(page.label, page.url, page.icon)
    yield Place("Profile", url_for("people.show_profile"), "user")


def _boards(boards: Sequence[tuple[str, str]], *, with_lists: bool) -> Iterator[Place]:
    for address, name in boards:
        yield Place(name, address, "layout-kanban", "Board")
        if with_lists:
            yield Place(name, f"{address}/list", "list", "List")


def _beginnings(boards: Sequence[tuple[str, str]], actor: Actor) -> Iterator[Place]:
    if can(actor, "cards.create"):
        for address, name in boards:
            yield Place(f"Add a card to {name}", f"{address}/cards/new", "plus")
    if can(actor, "accounts.edit"):
        yield Place("New account", url_for("accounts.show_new_account"), "plus")
    if can(actor, "imports.run"):
        yield Place("Import cards", url_for("imports.show_upload"), "table-import")
    if can(actor, "users.manage"):
        yield Place("Invite somebody", url_for("people.show_user_invitation"), "user-plus")


def _having(words: Sequence[str], places: Sequence[Place]) -> list[Place]:
    return [place for place in places if all(word in _plain(f"{place.label} {place.note}") for word in words)]


def _plain(text: str) -> str:
    """Return text without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
