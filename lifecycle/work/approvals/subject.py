"""What an approval is about, as one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def hash_subject(subject: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the values put to an approver; equal values give equal hashes."""
    text = json.dumps(dict(subject), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
