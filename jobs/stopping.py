"""Whether this process was asked to stop: a long job looks here between two pieces of its work."""

from __future__ import annotations

import signal
import threading

_asked = threading.Event()


def is_asked_to_stop() -> bool:
    """Say whether SIGTERM or SIGINT came; what is left of the work is found again later."""
    return _asked.is_set()


def ask_to_stop(*_signal: object) -> None:
    """Note that this process shall stop; also a signal handler."""
    _asked.set()


def rest(seconds: float) -> None:
    """Sleep, but no longer than until this process is asked to stop."""
    _asked.wait(seconds)


def listen_for_signals() -> None:
    """Have SIGTERM and SIGINT ask this process to stop."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, ask_to_stop)
