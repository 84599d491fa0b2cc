"""Signatures of webhooks, as https://www.standardwebhooks.com has them: an HMAC over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "whsec_"
_BYTES: Final = 32


def new_secret() -> str:
    """Return a new secret, as receivers are given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signed_headers(message_id: str, at: int, body: bytes, keys: Iterable[str]) -> dict[str, str]:
    """Return the three headers by which a receiver knows a message, its time and that it is ours.

    Args:
        at: seconds since 1970, of this attempt.
        keys: each signs; the receiver has one of them.
    """
    signatures = " ".join(_sign(key, message_id, at, body) for key in keys)
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signatures}


def _sign(secret: str, message_id: str, at: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
