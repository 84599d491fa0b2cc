"""Secrets in messages: what waits in the outbox holds a placeholder, filled in when it is handed over.

A token is computed from a name under the installation's key. Whoever reads the database finds names and
hashes and can open nothing; a message that is sent again carries the same link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

from flask import current_app

_PLACEHOLDER = re.compile(r"\[\[(token|code):([a-z_]+/[0-9a-f-]{36})/([0-9a-f]{16})\]\]")
CODE_DIGITS: Final = 6


def sealed_token(name: str) -> str:
    """Return the token of `name`, like `user_tokens/<uuid>`: 256 bits, safe in an address."""
    key = current_app.extensions["settings"].secret_key.encode()
    digest = hmac.digest(key, b"lifecycle mailed token\0" + name.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def sealed_code(name: str) -> str:
    """Return the code of `name`, like `client_codes/<uuid>`: six digits that people can type."""
    key = current_app.extensions["settings"].secret_key.encode()
    digest = hmac.digest(key, b"lifecycle mailed code\0" + name.encode(), hashlib.sha256)
    return f"{int.from_bytes(digest) % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def placeholder(name: str) -> str:
    """Return what stands for the token of `name` while a message waits."""
    return f"[[token:{name}/{_mark(name)}]]"


def code_placeholder(name: str) -> str:
    """Return what stands for the code of `name` while a message waits."""
    return f"[[code:{name}/{_mark(name)}]]"


def fill_in(text: str) -> str:
    """Return `text` with every placeholder replaced by its token or code.

    What only looks like one stays as it is: somebody wrote it into a title or a note, hoping for a link.
    """
    return _PLACEHOLDER.sub(_filled, text)


def _filled(found: re.Match[str]) -> str:
    kind, name, mark = found.groups()
    if not hmac.compare_digest(mark, _mark(name)):
        return found[0]
    return sealed_token(name) if kind == "token" else sealed_code(name)


def _mark(name: str) -> str:
    key = current_app.extensions["settings"].secret_key.encode()
    return hmac.digest(key, b"lifecycle placeholder\0" + name.encode(), hashlib.sha256).hex()[:16]
