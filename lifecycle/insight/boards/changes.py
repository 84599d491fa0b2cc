"""Live boards (E24): one reader thread a process knows what changed, so that a quiet poll costs no query.

A cursor names the pipeline and the moment up to which a browser has seen changes, with a digest of those it
saw in the ten seconds before: changes commit out of order, so the window overlaps and the digest tells the
rest.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

OVERLAP = 10.0
_KEPT = 900.0
_EVERY = 0.25
_IDLE_AFTER = 30.0
_READ = sa.text(
    "select id, pipeline_id, card_id, actor_id, extract(epoch from at)::float8 as at, "
    "extract(epoch from clock_timestamp())::float8 as read_at "
    "from board_changes where at > to_timestamp(:since) order by id"
)
_CLOCK = sa.text("select extract(epoch from clock_timestamp())::float8")


@dataclass(frozen=True)
class Change:
    """A card's face changed; `at` is the database's clock, in epoch seconds."""

    id: int
    pipeline_id: int
    card_id: uuid.UUID
    actor_id: uuid.UUID | None
    at: float


class ChangeReader:
    """Keeps a quarter of an hour of changes in memory, read four times a second while anybody polls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._changes: deque[Change] = deque()
        self._known: set[int] = set()
        self._clock_offset = 0.0
        self._lock = threading.Lock()
        self._pid = 0
        self._asked_at = 0.0
        self._asked = threading.Event()
        self._ready = threading.Event()

    def cursor(self, pipeline_id: int) -> str:
        """Return a cursor for a page that is about to read the board."""
        self._ensure_running()
        at = self._now() - OVERLAP / 2
        return _cursor(pipeline_id, at, self._window(pipeline_id, at))

    def since(self, cursor: str) -> tuple[list[Change], str]:
        """Return the changes a browser has not seen, oldest first, and its next cursor.

        Ask `is_too_old` first: this answers with what is still known.
        """
        self._ensure_running()
        pipeline_id, at, digest = _parse(cursor)
        seen = self._window(pipeline_id, at)
        fresh = seen if _digest(seen) != digest else []
        now = self._now()
        # While nothing comes the cursor walks along, so that the window stays short.
        following = now - OVERLAP / 2
        return fresh, _cursor(pipeline_id, following, self._window(pipeline_id, following))

    def is_too_old(self, cursor: str) -> bool:
        """Say whether this is no cursor, or so old that changes may be forgotten: the board is read anew."""
        return _parse(cursor)[1] < self._now() - _KEPT + OVERLAP

    def _window(self, pipeline_id: int, at: float) -> list[Change]:
        found = []
        with self._lock:
            # Newest first, and no further than needed: nearly every poll asks for the last seconds.
            for change in reversed(self._changes):
                if change.at < at - 2 * OVERLAP:
                    break
                if change.pipeline_id == pipeline_id and change.at > at - OVERLAP:
                    found.append(change)
        found.reverse()
        return found

    def _now(self) -> float:
        return time.time() + self._clock_offset

    def _ensure_running(self) -> None:
        self._asked_at = time.monotonic()
        self._asked.set()
        # A thread does not survive a fork, so each process starts its own on first use.
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._pid = os.getpid()
                    self._ready = threading.Event()
                    self._changes.clear()
                    self._known.clear()
                    threading.Thread(target=self._run, name="board-changes", daemon=True).start()
        self._ready.wait(2.0)

    def _run(self) -> None:
        while True:
            self._asked.clear()
            # Looked at after the clearing, so that whoever asks in between is not slept through.
            if time.monotonic() - self._asked_at > _IDLE_AFTER:
                # Nobody looks at a board: rest until somebody does, who then waits for a fresh reading.
                self._ready.clear()
                self._asked.wait()
            try:
                self._read()
            except SQLAlchemyError:
                log.warning("board changes cannot be read just now; trying again")
                time.sleep(2.0)
            except Exception:
                log.exception("the reader of board changes stumbled")
                time.sleep(2.0)
            self._ready.set()
            time.sleep(_EVERY)

    def _read(self) -> None:
        newest = self._changes[-1].at if self._changes else self._now() - _KEPT
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            rows = connection.execute(_READ, {"since": newest - OVERLAP}).all()
            read_at = rows[-1].read_at if rows else connection.execute(_CLOCK).scalar_one()
        self._clock_offset = read_at - time.time()
        with self._lock:
            for row in rows:
                if row.id not in self._known:
                    self._known.add(row.id)
                    self._changes.append(Change(row.id, row.pipeline_id, row.card_id, row.actor_id, row.at))
            horizon = read_at - _KEPT
            while self._changes and self._changes[0].at < horizon:
                self._known.discard(self._changes.popleft().id)


def _digest(changes: list[Change]) -> int:
    return sum(change.id * 2_654_435_761 % 2**61 for change in changes) % 2**61 + len(changes)


def _cursor(pipeline_id: int, at: float, window: list[Change]) -> str:
    return f"{pipeline_id}/{at:.3f}/{_digest(window):x}"


def _parse(cursor: str) -> tuple[int, float, int]:
    try:
        pipeline_id, at, digest = cursor.split("/")
        return int(pipeline_id), float(at), int(digest, 16)
    except ValueError:
        return 0, 0.0, -1
