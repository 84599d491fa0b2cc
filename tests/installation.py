"""The real services the tests run on: started once, cloned for each test process, emptied after each test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import psycopg
import redis
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask
from psycopg import sql

from lifecycle.config import Settings
from lifecycle.core.db import db
from lifecycle.prepare import migrate
from lifecycle.runtime.database import prepare_as_superuser, with_database
from lifecycle.runtime.datafolder import DataFolder
from lifecycle.runtime.embedded import Embedded
from lifecycle.runtime.keyring import Keyring

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "lifecycle_test"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Addresses:
    """Where one test process finds its own database, as each role, and its own Redis database."""

    superuser: str
    owner: str
    app: str
    reader: str
    redis: str

    def of_worker(self, worker: str) -> Addresses:
        """The same services with a database cloned for one test process, `gw0` and so on."""
        name, number = f"{TEMPLATE}_{worker}", int(worker.removeprefix("gw") or 0) + 1
        with psycopg.connect(self.superuser, autocommit=True) as server:
            _clone(server, name)
        urls = {role: with_database(url, name) for role, url in asdict(self).items() if role != "redis"}
        return Addresses(**urls, redis=f"{self.redis}?db={number}")


class Installation:
    """Embedded services in a temporary folder, or those that TEST_DATABASE_URL and TEST_REDIS_URL name.

    TEST_DATABASE_URL must log in as a superuser: the tests make databases and roles.
    """

    def __init__(self) -> None:
        given, redis_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
        self.folder = Path(tempfile.mkdtemp(prefix="lifecycle-test-"))
        self._data = DataFolder(self.folder)
        self._data.take()
        self._root = self._data.services_root()
        keyring = Keyring(self.folder)
        self._embedded = Embedded(
            self._data, keyring, postgres=not given, valkey=not redis_url, durable=False
        )
        self._embedded.start()
        superuser = given or (self._embedded.postgres.url() if self._embedded.postgres else "")
        with psycopg.connect(superuser, autocommit=True) as server:
            server.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(TEMPLATE)))
        roles = prepare_as_superuser(superuser, keyring, TEMPLATE)
        migrate(roles.owner, f"{TEMPLATE}_app", f"{TEMPLATE}_reader")
        self.addresses = Addresses(
            superuser=superuser,
            owner=roles.owner,
            app=roles.app,
            reader=roles.reader,
            redis=redis_url or (self._embedded.valkey.url if self._embedded.valkey else ""),
        )

    def stop(self) -> None:
        self._embedded.stop()
        self._data.release()
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Emptying:
    """Brings a database and a Redis back to how they were when this was made.

    Rows that the migrations themselves wrote are kept in mind and put back.
    """

    def __init__(self, addresses: Addresses) -> None:
        # Triggers and foreign keys rest for this session, so that what may never be deleted can be, here.
        options = "-c session_replication_role=replica -c lock_timeout=5s"
        self._database = psycopg.connect(addresses.superuser, autocommit=True, options=options)
        self._redis = redis.Redis.from_url(addresses.redis)
        tables = self._database.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables "
            "where schemaname = 'public' and tablename <> 'alembic_version' order by 1"
        ).fetchall()
        self._tables = [str(row[0]) for row in tables]
        self._kept = {table: self._rows(table) for table in self._written()}

    def empty(self) -> None:
        """Undo whatever was written since. Raises when a test left a transaction open that holds locks."""
        for table in self._written():
            before = self._kept.get(table)
            if before is None:
                self._database.execute(f"delete from {table}")
            elif self._rows(table) != before:
                self._database.execute(f"delete from {table}")
                self._put_back(table, before)
        if self._redis.dbsize():
            self._redis.flushdb()

    def keep(self) -> dict[str, bytes]:
        """What the database holds now, by table."""
        return {table: self._copied(table) for table in self._written()}

    def bring_back(self, kept: dict[str, bytes]) -> None:
        """Fill a database that was emptied with what it held before."""
        for table, rows in kept.items():
            self._database.execute(f"delete from {table}")
            with self._database.cursor().copy(f"copy {table} from stdin (format binary)") as copy:
                copy.write(rows)

    def close(self) -> None:
        self._database.close()
        self._redis.close()

    def _copied(self, table: str) -> bytes:
        with self._database.cursor().copy(f"copy {table} to stdout (format binary)") as copy:
            return b"".join(copy)

    def _written(self) -> list[str]:
        """The tables that hold a row, found in one statement of a millisecond."""
        if not self._tables:
            return []
        question = " union all ".join(f"select '{t}' where exists (select from {t})" for t in self._tables)
        return [str(row[0]) for row in self._database.execute(question)]

    def _rows(self, table: str) -> list[str]:
        return [
            row[0] for row in self._database.execute(f"select to_jsonb(t)::text from {table} t order by 1")
        ]

    def _put_back(self, table: str, rows: list[str]) -> None:
        for row in rows:
            self._database.execute(
                f"insert into {table} overriding system value "
                f"select * from jsonb_populate_record(null::{table}, %s::jsonb)",
                [row],
            )


@dataclass
class SmtpSink:
    """A real SMTP server on loopback that keeps what it accepts.

    Set `answer` to something like "451 Try later" to have it refuse from now on, and `delay` to have it think
    that many seconds before it answers; `arrived` counts what it has been given whole, answered or not.
    `refused` are addresses that it does not know, with what it says of them.
    """

    received: list[Envelope] = field(default_factory=list)
    arrived: int = 0
    answer: str = "250 Kept"
    delay: float = 0.0
    url: str = ""
    refused: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.arrived += 1
        if self.delay:
            time.sleep(self.delay)  # noqa: ASYNC251 - its thread serves nobody else
        if self.answer.startswith("250"):
            self.received.append(envelope)
        return self.answer

    def reset(self) -> None:
        self.received.clear()
        self.arrived = 0
        self.answer = "250 Kept"
        self.delay = 0.0
        self.refused.clear()


@contextmanager
def running_smtp_sink() -> Iterator[SmtpSink]:
    sink = SmtpSink()
    port = free_port()
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    sink.url = f"smtp://127.0.0.1:{port}"
    yield sink
    controller.stop()


@contextmanager
def running_web(environment: dict[str, str], output: IO[bytes] | None = None) -> Iterator[str]:
    """The product's web server, as it is run for real, on a free port; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    options = ["--config", "python:lifecycle.runtime.server", "--workers", "2", "--threads", "4"]
    command = [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"fd://{listening.fileno()}", *options]
    everything = {**os.environ, **environment, "BASE_URL": address}
    process = subprocess.Popen(
        command, cwd=ROOT, env=everything, pass_fds=(listening.fileno(),), stdout=output, stderr=output
    )
    try:
        _wait_until_ready(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        listening.close()


def find_chromium() -> str | None:
    """The browser that CHROMIUM names, else the first one that this machine has."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)


def environment_of(settings: Settings) -> dict[str, str]:
    """What tells another process to work on the services of this one; the database as the application."""
    return {
        "LIFECYCLE_ENV": "testing",
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SMTP_URL": settings.smtp_url,
        "SECRET_KEY": settings.secret_key,
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _clone(server: psycopg.Connection, name: str) -> None:
    database = sql.Identifier(name)
    server.execute(sql.SQL("drop database if exists {} with (force)").format(database))
    server.execute(
        sql.SQL("create database {} template {} owner {}").format(
            database, sql.Identifier(TEMPLATE), sql.Identifier(f"{TEMPLATE}_owner")
        )
    )


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The web server did not start; its own words are above.")


def close_connections(app: Flask) -> None:
    """Close an application's connections to PostgreSQL.

    The reader of live boards takes one out for a moment, five times a second: given back to a pool that is
    gone meanwhile, it would be closed by nobody.
    """
    with app.app_context():
        db.session.remove()
        until = time.monotonic() + 10
        while db.engine.pool.checkedout() and time.monotonic() < until:  # type: ignore[attr-defined]  # QueuePool's
            time.sleep(0.002)
        db.engine.dispose()
