"""What the product stands on, part by part: whether it answers, how old its last sign of life is, what waits.

A handful of statements on a connection of its own, and two round trips to Redis: a pool that is exhausted, or
a server that hangs, must not keep it from being told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from lifecycle.config import Settings
from lifecycle.core import heartbeat
from lifecycle.core.clock import now
from lifecycle.core.probe import Hangs, Probe
from lifecycle.core.queue import BULK, URGENT
from lifecycle.migrations import NEWEST
from lifecycle.records.files.bucket import Bucket
from lifecycle.records.files.pieces import StorageAway

State = Literal["ok", "degraded", "down", "unknown"]
QUEUES: Final = (URGENT, BULK)
# An idle worker beats every 15 seconds, the scheduler every 5; three missed beats are a silence.
SILENT_AFTER: Final = 45.0
SCHEDULER_SILENT_AFTER: Final = 30.0
# Mail that is due this long is late: a deliverer is looked for every 5 seconds.
LATE_AFTER: Final = 300.0
_COUNTED: Final = ("held", "due", "claimed", "handing_over", "failed", "unconfirmed")
_PATIENCE: Final = 2


@dataclass(frozen=True)
class Part:
    """One part: its state, what is measured of it, and a sentence where something is wrong."""

    name: str
    state: State
    says: str = ""
    measured: dict[str, Any] = field(default_factory=dict)
    # Counts that are for whoever runs it, and not for every stranger who asks whether it is ready.
    figures: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as readiness tells it."""
        return {"state": self.state, **self.measured, **({"says": self.says} if self.says else {})}


@dataclass(frozen=True)
class Health:
    """All parts at one moment."""

    parts: tuple[Part, ...]

    @property
    def is_ready(self) -> bool:
        """Whether pages can be served: the database is there with a schema that this code can use."""
        return not any(part.state == "down" for part in self.parts if part.name in ("database", "migrations"))

    @property
    def status(self) -> str:
        """`ready`, `degraded` or `not ready`."""
        if not self.is_ready:
            return "not ready"
        return "ready" if all(part.state == "ok" for part in self.parts) else "degraded"


class HealthReader:
    """Reads the health of one installation, in a few seconds at most whatever hangs."""

    def __init__(self, settings: Settings, bucket: Bucket | None = None) -> None:
        self._settings = settings
        self._bucket = bucket
        self._database = Probe(self._ask_database, patience=_PATIENCE + 0.5)
        self._redis = Probe(self._ask_redis, patience=_PATIENCE + 0.5)
        self._files = Probe(self._ask_bucket, patience=_PATIENCE + 0.5)

    def read(self) -> Health:
        """Return the state of every part, by name and always in the same order."""
        files = _answer(self._files, _no_bucket) if self._bucket else ()
        return Health((*_answer(self._database, _no_database), *_answer(self._redis, _no_redis), *files))

    def _ask_database(self) -> tuple[Part, ...]:
        with psycopg.connect(
            self._settings.database_url,
            connect_timeout=_PATIENCE,
            autocommit=True,
            options=f"-c statement_timeout={_PATIENCE * 1000} -c lock_timeout={_PATIENCE * 1000}",
        ) as connection:
            try:
                row = connection.execute("select version_num from alembic_version").fetchone()
            except psycopg.errors.Error:
                # No such table, or not ours to read: nobody has prepared this database.
                row = None
            migrations = _migrations(row[0] if row else None)
            outbox = _unknown("outbox") if migrations.state == "down" else _outbox(connection)
        return (Part("database", "ok"), migrations, outbox)

    def _ask_redis(self) -> tuple[Part, ...]:
        client = Redis.from_url(
            self._settings.redis_url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        )
        try:
            return _queues(client)
        finally:
            client.close()

    def _ask_bucket(self) -> tuple[Part, ...]:
        assert self._bucket is not None
        self._bucket.check()
        return (Part("files", "ok"),)


def _answer(probe: Probe[tuple[Part, ...]], otherwise: Callable[[str], tuple[Part, ...]]) -> tuple[Part, ...]:
    try:
        return probe()
    except Hangs:
        return otherwise(f"It does not answer within {_PATIENCE} seconds.")
    except (psycopg.Error, RedisError, StorageAway, OSError):
        # What a driver says names hosts and users: it is for the log, not for whoever asks.
        return otherwise("It cannot be reached.")


def _no_database(why: str) -> tuple[Part, ...]:
    return (Part("database", "down", why), _unknown("migrations"), _unknown("outbox"))


def _no_redis(why: str) -> tuple[Part, ...]:
    says = f"{why} Pages are served; mail, rules and imports wait."
    return (
        Part("redis", "down", says),
        *(_unknown(f"worker {queue}") for queue in QUEUES),
        _unknown("scheduler"),
    )


def _no_bucket(why: str) -> tuple[Part, ...]:
    return (Part("files", "degraded", f"{why} Files that lie in the bucket are not handed out."),)


def _unknown(name: str) -> Part:
    return Part(name, "unknown")


def _migrations(version: str | None) -> Part:
    measured = {"version": version, "expected": NEWEST}
    if version is None or version < NEWEST:
        return Part(
            "migrations", "down", "The schema is older than this code: run `lifecycle prepare`.", measured
        )
    if version > NEWEST:
        # The middle of a roll-out: the new version has migrated, and this one goes on serving until replaced.
        return Part("migrations", "degraded", "The schema is newer than this code.", measured)
    return Part("migrations", "ok", measured=measured)


def _outbox(connection: psycopg.Connection) -> Part:
    # Each half has its index. What was sent is not counted: it grows for ever.
    states = connection.execute(
        "select state, count(*) from outbox_messages "
        "where state in ('held', 'due', 'claimed', 'handing_over') group by state union all "
        "select state, count(*) from outbox_messages where state in ('failed', 'unconfirmed') group by state"
    ).fetchall()
    figures = {**dict.fromkeys(_COUNTED, 0), **{str(state): int(count) for state, count in states}}
    # What waits for a channel that is away is late by the other side's doing; its page says so.
    row = connection.execute(
        "select min(next_attempt_at) from outbox_messages where next_attempt_at <= %s and held_by is null "
        "and state in ('held', 'due', 'claimed', 'handing_over') and not exists (select from team_channels "
        "where key = team_key and last_failure_at > coalesce(last_success_at, '-infinity'))",
        [now()],
    ).fetchone()
    oldest = round(max(0.0, (now() - row[0]).total_seconds()), 1) if row and row[0] else 0.0
    measured = {"oldest_due_seconds": oldest}
    if oldest > LATE_AFTER:
        return Part("outbox", "degraded", "Mail is late: nobody delivers it.", measured, figures)
    return Part("outbox", "ok", measured=measured, figures=figures)


def _queues(client: Redis) -> tuple[Part, ...]:
    asking = client.pipeline(transaction=False)
    heartbeat.ask_age(asking, heartbeat.SCHEDULER)
    for queue in QUEUES:
        asking.llen(f"rq:queue:{queue}")
        asking.smembers(f"rq:workers:{queue}")
    scheduler, *answers = asking.execute()
    workers = {queue: sorted(names) for queue, names in zip(QUEUES, answers[1::2], strict=True)}
    asking = client.pipeline(transaction=False)
    for names in workers.values():
        for name in names:
            asking.hmget(name, "last_heartbeat", "state")
    found = iter(asking.execute())
    parts = [
        _worker(queue, answers[2 * index], [next(found) for _ in workers[queue]])
        for index, queue in enumerate(QUEUES)
    ]
    return (Part("redis", "ok"), *parts, _scheduler(heartbeat.age(scheduler)))


def _worker(queue: str, waiting: int, answers: Sequence[Sequence[bytes | None]]) -> Part:
    """RQ forgets a dead worker after a minute or two, or when a job at hand would have timed out."""
    beats = []
    alive = 0
    for beat, state in answers:
        if beat is None:
            continue
        age = (datetime.now(UTC) - _instant(beat)).total_seconds()
        beats.append(age)
        # While it works on a job it does not beat; RQ gives it the job's own time.
        alive += state == b"busy" or age <= SILENT_AFTER
    measured: dict[str, Any] = {"alive": alive, "waiting": waiting}
    if beats:
        measured["seen_seconds_ago"] = round(max(0.0, min(beats)), 1)
    says = "" if alive else f"No worker of this queue is alive: start `python -m jobs.worker {queue}`."
    return Part(f"worker {queue}", "ok" if alive else "degraded", says, measured)


def _instant(text: bytes) -> datetime:
    moment = datetime.fromisoformat(text.decode())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _scheduler(age: float | None) -> Part:
    measured = {} if age is None else {"seen_seconds_ago": round(age, 1)}
    if age is None or age > SCHEDULER_SILENT_AFTER:
        return Part(
            "scheduler", "degraded", "No scheduler is alive: start `python -m jobs.schedule`.", measured
        )
    return Part("scheduler", "ok", measured=measured)
