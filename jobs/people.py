"""What was mailed to people and is good no longer."""

from __future__ import annotations

from lifecycle.core.db import transaction
from lifecycle.governance.requests.secrets import forget_expired
from lifecycle.records.people import links


def prune_links() -> int:
    """Delete links that have long been useless; return how many."""
    with transaction():
        return links.prune_links()


def forget_secrets() -> int:
    """Delete the credentials that nobody fetched in time; return how many."""
    with transaction():
        return forget_expired()
