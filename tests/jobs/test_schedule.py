"""P13: what happens at intervals happens once, whoever dies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from redis import Redis

from jobs import boards, outbox, people
from jobs.schedule import SCHEDULE, Periodic, Scheduler
from lifecycle.config import Settings
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.outbox import deliver
from lifecycle.records.people import links
from lifecycle.records.people.models import User, UserToken
from tests.factories.people import make_user
from tests.installation import Addresses, SmtpSink, close_connections
from tests.jobs.programs import running
from tests.records.outbox.deliverer import owe, states, wait_until


class Counting:
    """Something periodic that counts how often it was done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def schedulers(app: Flask) -> Iterator[list[tuple[Scheduler, Counting]]]:
    """Two schedulers of one installation, each with a counter that is due every hour."""
    counters = Counting(), Counting()
    pairs = [(Scheduler(app, [Periodic(timedelta(hours=1), counter)]), counter) for counter in counters]
    yield pairs
    for scheduler, _ in pairs:
        scheduler._let_go()


def test_of_two_schedulers_one_acts_until_it_is_gone(
    app: Flask, schedulers: list[tuple[Scheduler, Counting]]
) -> None:
    (first, done_by_first), (second, done_by_second) = schedulers
    with app.app_context():
        for _ in range(3):
            assert first.tick()
            assert not second.tick()
        assert (done_by_first.times, done_by_second.times) == (1, 0)
        first._let_go()
        # The server notices a moment after the connection is closed.
        wait_until(second.tick, 5)
        assert not first.tick()
    assert (done_by_first.times, done_by_second.times) == (1, 1)


def test_a_scheduler_whose_connection_was_cut_goes_on(
    app: Flask, services: Addresses, schedulers: list[tuple[Scheduler, Counting]]
) -> None:
    (scheduler, done), _ = schedulers
    with app.app_context():
        assert scheduler.tick()
        with psycopg.connect(services.superuser, autocommit=True) as server:
            server.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid() and usename like '%_app'"
            )
        assert not scheduler.tick()
        assert scheduler.tick()
    # The next test would be given one that was cut a moment ago.
    close_connections(app)
    assert done.times == 1


def test_one_failing_entry_does_not_stop_the_others(app: Flask) -> None:
    done = Counting()

    def fail() -> None:
        raise LookupError("nothing here")

    scheduler = Scheduler(app, [Periodic(timedelta(hours=1), fail), Periodic(timedelta(hours=1), done)])
    with app.app_context():
        assert scheduler.tick()
    scheduler._let_go()
    assert done.times == 1


def test_every_entry_of_the_schedule_can_be_done(app: Flask) -> None:
    with app.app_context():
        for periodic in SCHEDULE:
            periodic.do()


def test_the_sweep_finds_what_was_never_queued(app: Flask) -> None:
    redis: Redis = app.extensions["redis"]
    owe(app)
    redis.flushdb()
    with app.app_context():
        assert outbox.sweep() == 1
    assert redis.llen("rq:queue:urgent") == 1


def test_the_sweep_settles_what_a_dead_process_held(app: Flask) -> None:
    owe(app)
    with app.app_context():
        assert deliver._claim(1)
        assert outbox.sweep() == 0
    with time_machine.travel(now() + deliver.CLAIM_LASTS + timedelta(seconds=1)), app.app_context():
        assert outbox.sweep() == 1
    assert states(app) == ["due"]


def test_links_are_pruned_a_month_after_they_became_useless(app: Flask) -> None:
    person = make_user(app)
    with app.app_context(), transaction():
        links.make_link(db.session.get_one(User, person.id), "password_reset")
    for days, left in ((29, 1), (31, 0)):
        with time_machine.travel(now() + timedelta(days=days)), app.app_context():
            people.prune_links()
            assert db.session.scalar(sa.select(sa.func.count()).select_from(UserToken)) == left


def test_board_changes_are_pruned_after_an_hour(app: Flask, services: Addresses) -> None:
    with psycopg.connect(services.owner) as owner:
        owner.execute(
            "insert into board_changes (pipeline_id, card_id, at) values "
            "(1, gen_random_uuid(), now() - interval '61 minutes'), (1, gen_random_uuid(), now())"
        )
    with app.app_context():
        assert boards.prune_changes() == 1


@pytest.mark.slow
def test_the_real_scheduler_and_worker_send_what_waits_though_redis_was_emptied(
    app: Flask, settings: Settings, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    owe(app, 2)
    app.extensions["redis"].flushdb()
    with (
        running(settings, "jobs.worker", "urgent", log=tmp_path / "worker"),
        running(settings, "jobs.schedule", log=tmp_path / "schedule") as schedule,
    ):
        wait_until(lambda: states(app) == ["sent", "sent"], 90)
        schedule.terminate()
        assert schedule.wait(20) == 0
    assert len(smtp_sink.received) == 2
    assert "Traceback" not in (tmp_path / "schedule").read_text()
