"""Identifiers that sort by the time they were made, so that indexes stay compact."""

from __future__ import annotations

import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """Return a new version 7 UUID."""
    return uuid7()
