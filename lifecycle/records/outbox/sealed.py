"""Secrets in messages: what waits in the outbox holds a placeholder, filled in when it is handed over.

A token is computed from a name under the installation's key. Whoever reads the database finds names and
hashes and can open nothing; a message that is sent again carries the same link.

A placeholder is made for one reader, and is filled in only where a message goes to them: who reads the
database and also writes messages gains nothing by writing another's into one of their own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
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


def placeholder(name: str, reader: uuid.UUID) -> str:
    """Return what stands for the token of `name` while a message waits for `reader`, a user or a contact."""
    return f"[[token:{name}/{_mark(name, reader)}]]"


def code_placeholder(name: str, reader: uuid.UUID) -> str:
    """Return what stands for the code of `name` while a message waits for `reader`, a user or a contact."""
    return f"[[code:{name}/{_mark(name, reader)}]]"


def fill_in(text: str, reader: uuid.UUID | None) -> str:
    """Return `text` as its reader gets it, with every placeholder of theirs replaced by its token or code.

    What only looks like one, or was made for somebody else, stays as it is: somebody wrote it into a title, a
    note or a message, hoping for a link.
    """
    return _PLACEHOLDER.sub(lambda found: _filled(found, reader), text)


def _filled(found: re.Match[str], reader: uuid.UUID | None) -> str:
    kind, name, mark = found.groups()
    if reader is None or not hmac.compare_digest(mark, _mark(name, reader)):
        return found[0]
    return sealed_token(name) if kind == "token" else sealed_code(name)


def _mark(name: str, reader: uuid.UUID) -> str:
    key = current_app.extensions["settings"].secret_key.encode()
    about = f"lifecycle placeholder\0{name}\0{reader}".encode()
    return hmac.digest(key, about, hashlib.sha256).hex()[:16]
