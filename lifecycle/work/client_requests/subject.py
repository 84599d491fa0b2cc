"""What a client was shown, in the one form that is hashed: changing it later invalidates their answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def hash_shown(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of stored values by field key; empty ones count as absent."""
    kept = {key: value for key, value in values.items() if value not in (None, "", [])}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def text_of_content(content: Mapping[str, Any]) -> str:
    """Return what somebody signs as the text that is hashed: JSON without white space, keys in order."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_content(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of `text_of_content` in UTF-8."""
    return hashlib.sha256(text_of_content(content).encode()).hexdigest()
