"""`python -m jobs.schedule`: everything that happens at intervals, on one page.

Any number of schedulers may run; the one that holds a lock in PostgreSQL acts, the others wait for it to die.
Each entry must bear being run too often: after a restart all of them run at once.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from jobs import boards, files, outbox, papers, people, reminders, rules
from jobs.starting import start
from jobs.stopping import is_asked_to_stop, rest
from lifecycle.core import heartbeat, logs
from lifecycle.core.db import db
from lifecycle.core.ids import new_id
from lifecycle.core.locks import AdvisoryLock
from lifecycle.core.queue import BULK, enqueue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Periodic:
    """Something done every so often: here, when it takes no longer than a moment, or as a job in a queue."""

    every: timedelta
    do: Callable[[], object]


def queued(queue: str, job: str) -> Callable[[], object]:
    """Return what puts `job`, a dotted path, into `queue`."""
    return lambda: enqueue(queue, job)


SCHEDULE: tuple[Periodic, ...] = (
    Periodic(timedelta(seconds=5), rules.sweep),
    Periodic(timedelta(seconds=5), outbox.sweep),
    Periodic(timedelta(seconds=10), reminders.sweep),
    Periodic(timedelta(seconds=15), boards.fold_all_totals),
    Periodic(timedelta(minutes=1), queued(BULK, "jobs.rules.set_off_timed")),
    Periodic(timedelta(minutes=1), queued(BULK, "jobs.imports.resume_silent")),
    Periodic(timedelta(minutes=1), papers.sweep),
    Periodic(timedelta(minutes=1), files.find_lost_thumbnails),
    Periodic(timedelta(hours=1), boards.prune_changes),
    Periodic(timedelta(days=1), queued(BULK, "jobs.cards.refresh_all_cards")),
    Periodic(timedelta(days=1), people.prune_links),
    Periodic(timedelta(days=1), queued(BULK, "jobs.files.sweep")),
    Periodic(timedelta(hours=1), people.forget_secrets),
    # Looked at every hour, signed once a day: a start at any hour must not put it off.
    Periodic(timedelta(hours=1), queued(BULK, "jobs.evidence.sign_daily_head")),
)

TICK = 1.0
_BEAT = 5.0
_LONGEST_WAIT = 10.0


class Scheduler:
    """Runs a schedule while it holds the lock, and goes on when PostgreSQL or Redis was away."""

    def __init__(self, app: Flask, schedule: Sequence[Periodic] = SCHEDULE) -> None:
        self._app = app
        self._schedule = schedule
        self._next = [0.0] * len(schedule)
        self._lock: sa.Connection | None = None
        self._wait = TICK
        self._is_away = False
        self._beat_at = 0.0

    def run(self) -> None:
        """Run until asked to stop."""
        try:
            while not is_asked_to_stop():
                with self._app.app_context():
                    self.tick()
                rest(self._wait)
        finally:
            if self._lock is not None:
                with contextlib.suppress(RedisError):
                    heartbeat.end(self._app.extensions["redis"], heartbeat.SCHEDULER)
            self._let_go()

    def tick(self) -> bool:
        """Do what is due, if this is the scheduler that acts; say whether it is."""
        try:
            is_ours = self._hold_lock()
            if is_ours:
                self._beat()
                self._do_due()
        except DBAPIError as error:
            self._back_off(error)
            return False
        if self._is_away:
            log.info("the database is back")
        self._is_away, self._wait = False, TICK
        return is_ours

    def _hold_lock(self) -> bool:
        # A lock of the session: it goes when this process or its connection does.
        if self._lock is not None:
            self._lock.execute(sa.text("select 1"))
            return True
        connection = db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(AdvisoryLock.SCHEDULER))):
            self._lock = connection
            return True
        connection.close()
        return False

    def _beat(self) -> None:
        """Say that a scheduler acts; one that only waits for the lock says nothing."""
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + _BEAT
        # Whoever asks sees that Redis is away.
        with contextlib.suppress(RedisError):
            heartbeat.beat(self._app.extensions["redis"], heartbeat.SCHEDULER)

    def _do_due(self) -> None:
        for index, periodic in enumerate(self._schedule):
            if time.monotonic() < self._next[index] or is_asked_to_stop():
                continue
            self._next[index] = time.monotonic() + periodic.every.total_seconds()
            try:
                with logs.within(job_id=f"periodic-{new_id().hex[-12:]}"):
                    periodic.do()
            except DBAPIError as error:
                if error.connection_invalidated:
                    # It was not done; it is due as soon as the database is back.
                    self._next[index] = 0.0
                    raise
                log.exception("a periodic task failed")
            except RedisError as error:
                log.warning("the queue is away: %s", error)
            except Exception:
                log.exception("a periodic task failed")
            finally:
                db.session.remove()

    def _back_off(self, error: DBAPIError) -> None:
        self._let_go()
        if not self._is_away:
            log.warning("the database is away, trying again until it is back: %s", error.orig)
        self._is_away = True
        self._wait = min(self._wait * 2, _LONGEST_WAIT)

    def _let_go(self) -> None:
        connection, self._lock = self._lock, None
        if connection is not None:
            # Not back into the pool: there it would keep the lock.
            connection.invalidate()
            connection.close()


def main() -> None:
    """Start from the command line."""
    Scheduler(start()).run()


if __name__ == "__main__":
    main()
