"""The one source of the present, so that a test or the demo's history can move it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path

# By how much the clocks of two machines may differ without one of them having been set back.
CLOCKS_DIFFER = timedelta(seconds=5)

_pretended: ContextVar[datetime | None] = ContextVar("pretended_now", default=None)
_setting: Path | None = None


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return _pretended.get() or datetime.now(UTC) + _set_by()


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


def set_by(file: Path | None) -> None:
    """Let every process that is told the same file be off by the seconds in it, from the next `now()` on.

    So a test sets the clock of a product that runs (`LIFECYCLE_CLOCK`), as an administrator or a wrong time
    server would. A missing or unreadable file is no change.
    """
    global _setting  # noqa: PLW0603 - a process has one clock
    _setting = file


def _set_by() -> timedelta:
    if _setting is None:
        return timedelta()
    try:
        return timedelta(seconds=float(_setting.read_text()))
    except (OSError, ValueError):
        return timedelta()
