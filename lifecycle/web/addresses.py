"""What an address that somebody sends us may say: where to go next, and which page of a list."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

_LAST_PAGE = 10_000
_LONGEST_TEXT = 200


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
