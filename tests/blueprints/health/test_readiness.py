"""P14: readiness names each part that is away, late or silent, and tells strangers nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import time_machine
from alembic.script import ScriptDirectory
from flask import Flask

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.probe import Hangs, Probe
from lifecycle.insight import health
from lifecycle.migrations import NEWEST
from lifecycle.prepare import alembic_config
from lifecycle.runtime.database import with_database
from tests.factories.statements import statements
from tests.installation import Addresses, close_connections, free_port
from tests.jobs.programs import running
from tests.records.outbox.deliverer import owe, wait_until


@pytest.fixture(autouse=True)
def _ask_anew(app: Flask, settings: Settings) -> None:
    """An answer is shared for a moment; the next test wants one of its own."""
    app.extensions["health"] = health.HealthReader(settings)


def ask(app: Flask) -> tuple[int, dict[str, Any]]:
    response = app.test_client().get("/readyz")
    return response.status_code, dict(response.get_json())


@contextmanager
def _elsewhere(settings: Settings, **addresses: str) -> Iterator[Flask]:
    app = create_app(replace(settings, **addresses))  # type: ignore[arg-type]
    yield app
    close_connections(app)


def test_a_web_server_alone_is_ready_and_says_who_is_missing(app: Flask) -> None:
    status, said = ask(app)
    assert (status, said["status"]) == (200, "degraded")
    assert {name: part["state"] for name, part in said["parts"].items()} == {
        "database": "ok",
        "migrations": "ok",
        "outbox": "ok",
        "redis": "ok",
        "worker urgent": "degraded",
        "worker bulk": "degraded",
        "scheduler": "degraded",
    }
    assert "jobs.worker bulk" in said["parts"]["worker bulk"]["says"]


@pytest.mark.slow
def test_workers_and_the_scheduler_are_missed_when_they_end_in_kind_or_die(
    app: Flask, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts() -> dict[str, Any]:
        return dict(ask(app)[1]["parts"])

    with (
        running(settings, "jobs.worker", "urgent", log=tmp_path / "urgent") as urgent,
        running(settings, "jobs.worker", "bulk", log=tmp_path / "bulk") as bulk,
        running(settings, "jobs.schedule", log=tmp_path / "schedule") as schedule,
    ):
        wait_until(lambda: ask(app)[1]["status"] == "ready", 60)
        assert parts()["worker urgent"]["alive"] == 1
        urgent.terminate()
        urgent.wait(20)
        wait_until(lambda: parts()["worker urgent"]["state"] == "degraded", 5)
        bulk.kill()
        schedule.kill()
        assert parts()["worker bulk"]["state"] == "ok"
        monkeypatch.setattr(health, "SILENT_AFTER", 0.1)
        monkeypatch.setattr(health, "SCHEDULER_SILENT_AFTER", 0.1)
        wait_until(lambda: parts()["worker bulk"]["state"] == "degraded", 5)
        wait_until(lambda: parts()["scheduler"]["state"] == "degraded", 5)
        assert ask(app)[0] == 200


def test_a_scheduler_that_ends_in_kind_is_missed_at_once(
    app: Flask, settings: Settings, tmp_path: Path
) -> None:
    with running(settings, "jobs.schedule", log=tmp_path / "schedule") as schedule:
        wait_until(lambda: ask(app)[1]["parts"]["scheduler"]["state"] == "ok", 60)
        schedule.terminate()
        assert schedule.wait(20) == 0
    wait_until(lambda: ask(app)[1]["parts"]["scheduler"]["state"] == "degraded", 5)


def test_without_its_database_it_is_not_ready_and_gives_no_address_away(settings: Settings) -> None:
    away = f"postgresql://secret-user:secret-word@127.0.0.1:{free_port()}/secret-name"
    with _elsewhere(settings, database_url=away) as app:
        response = app.test_client().get("/readyz")
    assert response.status_code == 503
    said = response.get_json()
    assert said["status"] == "not ready"
    assert said["parts"]["database"] == {"state": "down", "says": "It cannot be reached."}
    assert said["parts"]["migrations"]["state"] == "unknown"
    assert "secret" not in response.text
    assert "Traceback" not in response.text


def test_without_redis_pages_are_served(settings: Settings) -> None:
    with _elsewhere(settings, redis_url=f"redis://:secret@127.0.0.1:{free_port()}/0") as app:
        status, said = ask(app)
    assert (status, said["status"]) == (200, "degraded")
    assert said["parts"]["redis"]["state"] == "down"
    assert said["parts"]["worker urgent"]["state"] == "unknown"
    assert "secret" not in str(said)


@pytest.mark.parametrize(
    ("version", "status", "state"), [("0001", 503, "down"), (None, 503, "down"), ("9999", 200, "degraded")]
)
def test_a_schema_older_than_the_code_is_not_ready_and_a_newer_one_is_the_middle_of_a_roll_out(
    app: Flask, services: Addresses, version: str | None, status: int, state: str
) -> None:
    with psycopg.connect(services.superuser, autocommit=True) as database:
        before = database.execute("select version_num from alembic_version").fetchone()
        try:
            database.execute("delete from alembic_version")
            if version:
                database.execute("insert into alembic_version values (%s)", [version])
            code, said = ask(app)
        finally:
            database.execute("delete from alembic_version")
            database.execute("insert into alembic_version values (%s)", before)
    assert (code, said["parts"]["migrations"]["state"]) == (status, state)
    assert said["parts"]["migrations"]["expected"] == NEWEST


def test_a_database_that_nobody_prepared_is_not_ready(settings: Settings, services: Addresses) -> None:
    with _elsewhere(settings, database_url=with_database(services.app, "postgres")) as app:
        status, said = ask(app)
    assert status == 503
    assert said["parts"]["database"]["state"] == "ok"
    assert said["parts"]["migrations"]["state"] == "down"


def test_the_newest_version_is_the_head_of_the_migrations(app: Flask) -> None:
    with app.app_context():
        script = ScriptDirectory.from_config(alembic_config(db.session.connection()))
        assert script.get_current_head() == NEWEST


def test_mail_that_is_late_is_told(app: Flask) -> None:
    owe(app)
    assert ask(app)[1]["parts"]["outbox"]["state"] == "ok"
    with time_machine.travel(now() + timedelta(minutes=6)):
        app.extensions["health"] = health.HealthReader(app.extensions["settings"])
        late = ask(app)[1]["parts"]["outbox"]
    assert late["state"] == "degraded"
    assert late["oldest_due_seconds"] >= 360


def test_it_takes_no_connection_from_the_pages(app: Flask) -> None:
    with statements(app) as sent:
        assert ask(app)[0] == 200
    assert sent == []


def test_a_question_that_hangs_is_given_up_and_asked_once() -> None:
    goes_on, asked = threading.Event(), []

    def hang() -> str:
        asked.append(1)
        goes_on.wait(20)
        return "late"

    probe = Probe(hang, patience=0.05, shared_for=0.0)
    for _ in range(3):
        with pytest.raises(Hangs):
            probe()
    assert len(asked) == 1
    goes_on.set()
    wait_until(lambda: not any(thread.name == "probe" for thread in threading.enumerate()), 5)
    assert probe() == "late"
