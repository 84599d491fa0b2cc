"""Unguessable tokens for links; only their hash is ever stored."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """Return 256 bits of randomness, safe in a URL."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the form in which a token is stored: a plain SHA-256 suffices for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
