"""P13: a queue holds each sweep once, however long its worker is away, and loses nothing by it."""

from __future__ import annotations

import time
import uuid

import pytest
from flask import Flask
from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from jobs import outbox, rules
from lifecycle.core.queue import BULK, URGENT, enqueue
from lifecycle.governance.automation import perform
from tests.records.outbox.deliverer import owe, states


def test_a_sweeper_does_not_pile_up_jobs_while_the_worker_is_slow(app: Flask) -> None:
    redis: Redis = app.extensions["redis"]
    owe(app)
    for _ in range(5):
        with app.app_context():
            assert outbox.sweep() == 1
    assert redis.llen("rq:queue:urgent") == 1


def test_what_is_being_done_is_queued_again(app: Flask) -> None:
    """What was committed after a job began may be too late for it."""
    redis: Redis = app.extensions["redis"]
    with app.app_context():
        enqueue(URGENT, outbox.DELIVER_DUE)
        redis.lmove("rq:queue:urgent", "taken by a worker")
        enqueue(URGENT, outbox.DELIVER_DUE)
    assert redis.llen("rq:queue:urgent") == 1


def test_jobs_about_different_things_and_in_different_queues_all_wait(app: Flask) -> None:
    redis: Redis = app.extensions["redis"]
    with app.app_context():
        for number in (1, 2):
            enqueue(BULK, "jobs.imports.check", number)
        enqueue(BULK, "jobs.rules.set_off_timed")
        enqueue(URGENT, "jobs.rules.set_off_timed")
    assert (redis.llen("rq:queue:bulk"), redis.llen("rq:queue:urgent")) == (3, 1)


@pytest.mark.slow
def test_a_flood_of_rules_lets_mail_have_its_turn(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail shares a worker with rules that come as fast as they are performed."""
    began = time.monotonic()

    def take_a_moment(*_ids: uuid.UUID) -> bool:
        time.sleep(0.01)
        return True

    monkeypatch.setattr(perform, "_due_ids", lambda: [(uuid.uuid4(), uuid.uuid4())] * 50)
    monkeypatch.setattr(perform, "perform_one", take_a_moment)
    redis: Redis = app.extensions["redis"]
    with app.app_context():
        rules.perform_due()
    assert time.monotonic() - began < 15
    assert redis.llen("rq:queue:urgent") == 1, "what is left goes to the end of the queue"


@pytest.mark.slow
def test_a_worker_does_what_was_queued_once_for_many(app: Flask) -> None:
    owe(app, 3)
    with app.app_context():
        outbox.sweep()
        worker = SimpleWorker(["urgent"], connection=app.extensions["redis"], serializer=JSONSerializer)
        worker.work(burst=True, logging_level="WARNING")
    assert states(app) == ["sent"] * 3
