"""Asking a part that may hang, in bounded time.

A client library can wait for ever on a server that was stopped without closing its sockets. So the question
is asked in a thread of its own: whoever wants the answer waits for a moment and no longer, and while one
question hangs, nobody asks another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Hangs(Exception):
    """There was no answer in time."""


class Probe(Generic[Answer]):
    """One question that may be asked from any thread; an answer younger than `shared_for` is shared."""

    def __init__(self, ask: Callable[[], Answer], *, patience: float = 2.0, shared_for: float = 0.25) -> None:
        self._ask = ask
        self._patience = patience
        self._shared_for = shared_for
        self._lock = threading.Lock()
        self._running: _Run[Answer] | None = None

    def __call__(self) -> Answer:
        """Return the answer, or raise what asking raised. Raises Hangs when there is none in time."""
        with self._lock:
            run = self._running
            if run is None or run.is_older_than(self._shared_for):
                run = self._running = _Run(self._ask)
        if not run.done.wait(self._patience):
            raise Hangs
        if run.error is not None:
            raise run.error
        assert run.answer is not None
        return run.answer


class _Run(Generic[Answer]):
    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.done = threading.Event()
        self._ended_at = 0.0
        # A daemon: a question that hangs must not keep the process from ending.
        threading.Thread(target=self._run, name="probe", daemon=True).start()

    def is_older_than(self, seconds: float) -> bool:
        return self.done.is_set() and time.monotonic() - self._ended_at > seconds

    def _run(self) -> None:
        try:
            self.answer = self._ask()
        except Exception as error:  # noqa: BLE001 - raised where it was asked for
            self.error = error
        self._ended_at = time.monotonic()
        self.done.set()
