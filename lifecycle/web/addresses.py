"""What an address that somebody sends us may say: where to go next, and which page of a list."""

from __future__ import annotations

import unicodedata
import uuid
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

_HIGHEST_ID = 2**63 - 1
_LAST_PAGE = 10_000
_LONGEST_TEXT = 200


class _RowNumber(IntegerConverter):
    """A number that the database can hold; a higher one is no address."""

    def __init__(self, map: Map, max: int = _HIGHEST_ID) -> None:  # noqa: A002 - their names
        super().__init__(map, max=max)


def init_app(app: Flask) -> None:
    """Let `<int:…>` in the addresses of `app` stand for numbers of rows."""
    app.url_map.converters["int"] = _RowNumber


def uuid_of(text: str | None) -> uuid.UUID | None:
    """Return the id that somebody sends us; None for anything that is none."""
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None


def own_path(address: str | None, otherwise: str = "/") -> str:
    """Return `address` if it is a path of this installation, else `otherwise`."""
    if not address or not address.startswith("/") or len(address) > 2000:
        return otherwise
    # Browsers drop control characters and read \ as /, so that "/\t/evil.example" would lead away.
    if any(letter == "\\" or unicodedata.category(letter)[0] in "CZ" for letter in address):
        return otherwise
    try:
        parts = urlsplit(address)
    except ValueError:
        return otherwise
    return address if not parts.scheme and not parts.netloc and not address.startswith("//") else otherwise


def page_number(text: str | None) -> int:
    """Return the page of a list that an address asks for; the first for anything that is no number."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > 9:
        return 1
    return max(1, min(int(text), _LAST_PAGE))


def short_text(text: str | None) -> str:
    """Return what an address asks to look for: trimmed, at most 200 characters, no NUL."""
    return (text or "").replace("\0", "").strip()[:_LONGEST_TEXT]
