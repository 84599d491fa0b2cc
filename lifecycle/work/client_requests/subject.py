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


def hash_content(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what somebody signs: UTF-8 JSON without white space, keys in order."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
