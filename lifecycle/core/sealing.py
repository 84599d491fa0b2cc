"""Encrypting what must not be readable in the database: under a key made from the installation's own."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken
from flask import current_app


class Unreadable(ValueError):
    """It was encrypted under another key, or changed since."""


def seal(text: str) -> bytes:
    """Return the text encrypted and authenticated; needs an application context."""
    return _fernet().encrypt(text.encode())


def unseal(sealed: bytes) -> str:
    """Return the text again.

    Raises:
        Unreadable: it is of another key, or not as it was.
    """
    try:
        return _fernet().decrypt(sealed).decode()
    except InvalidToken:
        raise Unreadable("It was encrypted under another key, or has been changed.") from None


def _fernet() -> Fernet:
    key = current_app.extensions["settings"].secret_key.encode()
    digest = hmac.digest(key, b"lifecycle sealed text", hashlib.sha256)
    return Fernet(base64.urlsafe_b64encode(digest))
