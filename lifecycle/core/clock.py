"""The one source of the present, so that a test or the demo's history can move it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_pretended: ContextVar[datetime | None] = ContextVar("pretended_now", default=None)


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return _pretended.get() or datetime.now(UTC)


def is_pretending() -> bool:
    """Say whether history is being written: what happens then has happened, and nobody is told now."""
    return _pretended.get() is not None


@contextmanager
def pretending(moment: datetime) -> Iterator[None]:
    """Let `now()` answer `moment` inside; only for writing demo history, never in a request.

    Args:
        moment: aware; converted to UTC.
    """
    token = _pretended.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _pretended.reset(token)
