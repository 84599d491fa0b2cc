"""Live boards (E24): one reader thread a process knows what changed, so that a quiet poll costs no query.

Changes commit out of order, so neither a number nor a moment says which of them a browser has seen. A
snapshot of PostgreSQL does, which names the transactions that were running: a cursor is the pipeline, the
moment and the snapshot of the reading that its browser was told of; what that does not see is new to it.
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

LONGEST_CURSOR = 2_000
_KEPT = 900.0
_EVERY = 0.2
_IDLE_AFTER = 30.0
# By how much a process may be behind another that gave a cursor, and the clock behind the snapshot.
_APART = 10.0
# One statement: the snapshot must be the one that the changes were read with, also when there are none.
_READ = (
    "select told.*, c.id, c.pipeline_id, c.card_id, c.actor_id, c.xid "
    "from (select pg_current_snapshot()::text as snapshot, "
    "extract(epoch from clock_timestamp())::float8 as read_at) told "
    "left join board_changes c on {which} order by c.id"
)
_FIRST = sa.text(_READ.format(which="c.at > clock_timestamp() - make_interval(secs => :kept)"))
_NEXT = sa.text(_READ.format(which="c.xid >= :xmin"))


@dataclass(frozen=True)
class Change:
    """A card's face changed, by transaction `xid`; `read_at` is when this process learned of it."""

    id: int
    pipeline_id: int
    card_id: uuid.UUID
    actor_id: uuid.UUID | None
    xid: int
    read_at: float


@dataclass(frozen=True)
class Reading:
    """What the database showed at `at`, in epoch seconds: transactions below `xmax`, save the `running`."""

    at: float
    xmin: int
    xmax: int
    running: frozenset[int]

    def sees(self, change: Change) -> bool:
        """Say whether the change had been committed by then."""
        return change.xid < self.xmax and change.xid not in self.running

    @classmethod
    def read(cls, at: float, snapshot: str) -> Reading:
        """Read PostgreSQL's own form, `xmin:xmax:running,running`. Raises ValueError."""
        xmin, xmax, running = snapshot.split(":")
        return cls(at, int(xmin), int(xmax), frozenset(map(int, running.split(",") if running else ())))

    def __str__(self) -> str:
        """Return the form of a cursor."""
        return f"{self.at:.3f}/{self.xmin}:{self.xmax}:{','.join(map(str, sorted(self.running)))}"


class ChangeReader:
    """Keeps a quarter of an hour of changes in memory, read five times a second while anybody polls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._changes: deque[Change] = deque()
        self._known: set[int] = set()
        self._reading: Reading | None = None
        self._lock = threading.Lock()
        self._pid = 0
        self._asked_at = 0.0
        self._asked = threading.Event()
        self._ready = threading.Event()

    def cursor(self, pipeline_id: int) -> str:
        """Return a cursor for a page that is about to read the board."""
        self._ensure_running()
        # Without a reading it is none, and the first poll has the board opened anew.
        return f"{pipeline_id}/{self._reading}" if self._reading else ""

    def since(self, cursor: str) -> tuple[list[Change], str]:
        """Return the changes a browser has not seen, oldest first, and its next cursor.

        Ask `is_too_old` first: this answers with what is still known.
        """
        self._ensure_running()
        pipeline_id, seen = _parse(cursor)
        with self._lock:
            latest = self._reading
            fresh = self._unseen(pipeline_id, seen) if seen else []
        # Another process may have read later than this one; its cursor is not taken back.
        if latest is None or (seen is not None and seen.at > latest.at):
            return fresh, cursor
        return fresh, f"{pipeline_id}/{latest}"

    def is_too_old(self, cursor: str) -> bool:
        """Say whether this is no cursor, or so old that changes may be forgotten: the board is read anew."""
        self._ensure_running()
        latest, seen = self._reading, _parse(cursor)[1]
        if latest is None or seen is None or not latest.at - _KEPT + _APART < seen.at < latest.at + _APART:
            return True
        # Seen before, and yet further on: it is of another database, which this one has taken the place of.
        return seen.at < latest.at - _APART and seen.xmax > latest.xmax

    def _unseen(self, pipeline_id: int, seen: Reading) -> list[Change]:
        found = []
        # Newest first, and no further than needed: what this process knew well before the cursor was made,
        # whoever made that knew too.
        for change in reversed(self._changes):
            if change.read_at < seen.at - _APART:
                break
            if change.pipeline_id == pipeline_id and not seen.sees(change):
                found.append(change)
        found.reverse()
        return found

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
                    self._reading = None
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
        before = self._reading
        query, values = (_NEXT, {"xmin": before.xmin}) if before else (_FIRST, {"kept": _KEPT})
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            rows = connection.execute(query, values).all()
        at = rows[0].read_at
        with self._lock:
            for row in rows:
                if row.id is not None and row.id not in self._known:
                    self._known.add(row.id)
                    change = Change(row.id, row.pipeline_id, row.card_id, row.actor_id, row.xid, at)
                    self._changes.append(change)
            while self._changes and self._changes[0].read_at < at - _KEPT:
                self._known.discard(self._changes.popleft().id)
            self._reading = Reading.read(at, rows[0].snapshot)


def _parse(cursor: str) -> tuple[int, Reading | None]:
    try:
        pipeline_id, at, snapshot = cursor.split("/")
        return int(pipeline_id), Reading.read(float(at), snapshot)
    except ValueError:
        return 0, None
