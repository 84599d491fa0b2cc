"""Links mailed to users."""

from __future__ import annotations

from lifecycle.core.db import transaction
from lifecycle.records.people import links


def prune_links() -> int:
    """Delete links that have long been useless; return how many."""
    with transaction():
        return links.prune_links()
