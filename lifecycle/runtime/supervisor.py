"""Run the whole product on one machine: `python -m lifecycle.runtime.supervisor`, started by `./dev up`.

One foreground process owns all it starts: services, preparation, web server, workers, schedule. What dies is
started again; when this process ends, however it ends, so does all it started.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lifecycle.config import CHECKOUT, OwnServices, SettingsRefused, process_environment
from lifecycle.runtime.database import Addresses, prepare_given
from lifecycle.runtime.datafolder import DataFolder, Refused
from lifecycle.runtime.embedded import Embedded
from lifecycle.runtime.keyring import Keyring
from lifecycle.runtime.processes import Child, stop_all
from lifecycle.runtime.redis_safety import check_redis

DEFAULT_PORT = 8000
PORTS_TRIED = 50
READY_TIMEOUT = 120.0
PREPARE_TIMEOUT = 900.0
WATCH_INTERVAL = 0.25
WEB_PROCESSES = 2
WEB_THREADS = 4
QUEUES = ("urgent", "bulk")  # One queue for each worker: a worker on two can lose a job when it is killed.
ANY_HOST = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, never bound unasked
DEMO_LOGINS = ("admin", "manager", "member", "viewer")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the person who starts the product asked for."""

    data: Path
    host: str
    port: int | None
    demo: bool


class Stopped(Exception):
    """Somebody asked us to stop before we were ready."""


class Supervisor:
    """Starts the parts in order, watches them, and stops them in reverse order."""

    def __init__(self, options: Options, own: OwnServices) -> None:
        self._options = options
        self._own = own
        self._stop = threading.Event()
        self._data = DataFolder(options.data)
        self._keyring = Keyring(self._data.path)
        self._embedded: Embedded | None = None
        self._mailbox: Child | None = None
        self._app: list[Child] = []
        self._sockets: list[socket.socket] = []

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises Refused when the product cannot start."""
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:  # As under nohup.
                signal.signal(name, lambda *_: self._stop.set())
        self._data.take()
        try:
            self._start()
            self._watch()
        except Stopped:
            pass
        finally:
            self._shut_down()

    # --- starting ---

    def _start(self) -> None:
        listening = self._listen_for_web()
        port = listening.getsockname()[1]
        web = f"http://{_reachable(self._options.host)}:{port}"
        say("Starting the database and the queue")
        database, redis_url = self._start_services()
        smtp_url = self._own.smtp_url or self._start_mailbox()
        environment = self._environment(database, redis_url, smtp_url, web)
        self._data.write_services(
            {
                "database": database.app,
                "database_owner": database.owner if not self._own.database_url else None,
                "database_reader": database.reader,
                "redis": redis_url,
                "smtp": smtp_url,
                "web": web,
                "pid": os.getpid(),
                "environment": environment,
            }
        )
        self._prepare(environment)
        # The app must not be able to change the schema, so it is never told how.
        app_environment = {name: value for name, value in environment.items() if name != "DATABASE_OWNER_URL"}
        app_environment["PROMETHEUS_MULTIPROC_DIR"] = str(self._fresh_metrics())
        self._start_web(app_environment, listening)
        self._wait_until_ready(f"http://{_reachable(self._options.host)}:{port}/readyz")
        self._start_workers(app_environment)  # Last: what is queued can wait, a person should not.
        self._greet(web)

    def _listen_for_web(self) -> socket.socket:
        """Take the port first: it stays ours while the web server is started, or started again."""
        first = self._options.port if self._options.port is not None else DEFAULT_PORT
        candidates = range(first, first + (1 if self._options.port is not None else PORTS_TRIED))
        family = socket.AF_INET6 if ":" in self._options.host else socket.AF_INET
        for port in candidates:
            try:
                listening = socket.create_server((self._options.host, port), family=family, backlog=512)
            except (OSError, OverflowError) as error:
                if getattr(error, "errno", None) != errno.EADDRINUSE:
                    raise Refused(f"Cannot listen on {self._options.host} port {port}: {error}.") from None
                continue
            self._sockets.append(listening)
            return listening
        if self._options.port is None:
            raise Refused(f"Ports {first} to {candidates[-1]} are all taken: choose one with --port.")
        raise Refused(f"Port {first} is taken by another program: choose another with --port.")

    def _start_services(self) -> tuple[Addresses, str]:
        own = self._own
        self._embedded = Embedded(
            self._data, self._keyring, postgres=not own.database_url, valkey=not own.redis_url
        )
        self._embedded.start()
        database = (
            prepare_given(own, self._keyring) if own.database_url else self._embedded.prepare_database()
        )
        if self._embedded.valkey:
            return database, self._embedded.valkey.url
        redis_url = own.redis_url or ""
        for warning in check_redis(redis_url):
            say(warning)
        return database, redis_url

    def _start_mailbox(self) -> str:
        if self._own.environment == "production":
            raise Refused("SMTP_URL is not set: in production, mail must have a way out.")
        listening = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listening)
        self._mailbox = self._python(
            "mailbox",
            ["lifecycle.runtime.mailbox", str(self._data.path / "mailbox"), "--fd", str(listening.fileno())],
            process_environment(),
            keep_open=(listening.fileno(),),
        )
        self._mailbox.start()
        return f"smtp://127.0.0.1:{listening.getsockname()[1]}"

    def _environment(self, database: Addresses, redis_url: str, smtp_url: str, web: str) -> dict[str, str]:
        """The addresses and keys that the product's own processes are told."""
        return {
            "LIFECYCLE_ENV": self._own.environment,
            "LIFECYCLE_DATA": str(self._data.path),
            "DATABASE_URL": database.app,
            "DATABASE_OWNER_URL": database.owner,
            "DATABASE_READER_URL": database.reader,
            "REDIS_URL": redis_url,
            "SMTP_URL": smtp_url,
            "SECRET_KEY": self._own.secret_key or self._keyring.get("secret key"),
            # The keyring makes 256 bits in base64, which is just what an Ed25519 key is.
            "EVIDENCE_KEY": self._own.evidence_key or self._keyring.get("evidence key"),
            "BASE_URL": self._own.base_url or web,
            # Channels of the demo lead back to us: what they are told is kept beside the mail.
            **({"CHANNEL_HOSTS_ALLOWED": urlsplit(web).netloc} if self._options.demo else {}),
            **({"LIFECYCLE_DEMO_PASSWORD": self._demo_password} if self._options.demo else {}),
        }

    def _fresh_metrics(self) -> Path:
        """An empty folder for what the processes of this start count: web server and workers add up in it."""
        folder = self._data.path / "metrics"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return folder

    def _prepare(self, environment: dict[str, str]) -> None:
        say("Preparing the database")
        command = ["lifecycle.cli", "prepare", *(["--demo"] if self._options.demo else [])]
        prepare = self._python("prepare", command, environment)
        prepare.start()
        deadline = time.monotonic() + PREPARE_TIMEOUT
        try:
            while not prepare.has_died:
                if time.monotonic() > deadline:
                    raise Refused(f"The database was not ready in time; see {prepare.log}")
                self._pause(0.05)
        finally:
            stop_all([prepare])
        if prepare.process is None or prepare.process.returncode != 0:
            raise Refused(f"The database could not be prepared ({prepare.log}):\n{prepare.last_lines()}")

    def _start_web(self, environment: dict[str, str], listening: socket.socket) -> None:
        memory = Path("/dev/shm")  # noqa: S108 - gunicorn makes its files there with names of its own
        web = [
            *("gunicorn", "wsgi:app", "--config", "python:lifecycle.runtime.server"),
            *("--bind", f"fd://{listening.fileno()}"),
            *("--workers", str(WEB_PROCESSES), "--threads", str(WEB_THREADS)),
            *("--worker-tmp-dir", str(memory) if os.access(memory, os.W_OK) else tempfile.gettempdir()),
        ]
        self._run(self._python("web", web, environment, keep_open=(listening.fileno(),)))

    def _start_workers(self, environment: dict[str, str]) -> None:
        for queue in QUEUES:
            self._run(self._python(f"worker-{queue}", ["jobs.worker", queue], environment))
        self._run(self._python("schedule", ["jobs.schedule"], environment))

    def _run(self, child: Child) -> None:
        self._app.append(child)
        child.start()

    def _wait_until_ready(self, address: str) -> None:
        web = self._app[0]
        deadline = time.monotonic() + READY_TIMEOUT
        while complaint := _complaint(address):
            if web.has_died:
                raise Refused(f"The web server does not start ({web.log}):\n{web.last_lines()}")
            if time.monotonic() > deadline:
                raise Refused(f"The web server does not get ready ({web.log}): {complaint}")
            self._pause(0.2)

    def _greet(self, web: str) -> None:
        if self._options.demo:
            say("Log in as     " + ", ".join(f"{name}@demo.example" for name in DEMO_LOGINS))
            say(f"Password      {self._demo_password}")
        else:
            say("No demo data. While nobody can log in, the address lets you make the first administrator.")
        if self._mailbox:
            say(f"Mail          {web}/dev/mailbox (kept here, not sent)")
        say(f"Data          {self._data.path} (logs in {self._data.path / 'logs'})")
        say(f"Ready: {web}")

    @property
    def _demo_password(self) -> str:
        return self._keyring.readable("demo password")

    # --- running ---

    def _watch(self) -> None:
        services = self._embedded.children if self._embedded else []
        mailbox = [self._mailbox] if self._mailbox else []
        while not self._stop.wait(WATCH_INTERVAL):
            for child in (*services, *mailbox, *self._app):
                child.revive(say)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _python(
        self, name: str, module: list[str], environment: dict[str, str], keep_open: tuple[int, ...] = ()
    ) -> Child:
        everything = process_environment() | environment | {"TZ": "UTC", "PYTHONUNBUFFERED": "1"}
        return Child(
            name=name,
            command=[sys.executable, "-P", "-m", *module],
            log=self._data.path / "logs" / f"{name}.log",
            environment=everything,
            folder=CHECKOUT,
            keep_open=keep_open,
        )

    # --- stopping ---

    def _shut_down(self) -> None:
        if self._app:
            say("Stopping")
        stop_all(self._app[:1])
        stop_all(self._app[1:])
        if self._mailbox:
            stop_all([self._mailbox])
        if self._embedded:
            self._embedded.stop()
        for taken in self._sockets:
            taken.close()
        self._data.forget_services()
        self._data.release()


def parse(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="./dev up", description="Start the product here; Ctrl-C stops it.")
    parser.add_argument("--port", type=int, help=f"its port (otherwise {DEFAULT_PORT}, or the next free one)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--data", type=Path, default=CHECKOUT / "var", help="its data folder (%(default)s)")
    parser.add_argument("--no-demo", action="store_true", help="begin empty, without demo data")
    given = parser.parse_args(arguments)
    return Options(data=given.data, host=given.host, port=given.port, demo=not given.no_demo)


def say(sentence: str) -> None:
    # Nobody may be reading any more; that is no reason to stop.
    with contextlib.suppress(OSError):
        print(sentence, flush=True)


def _reachable(host: str) -> str:
    """The name under which this machine reaches what listens on `host`."""
    if host in ANY_HOST:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _complaint(address: str) -> str:
    """What keeps the product from being ready, in its own words; "" when it is."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - our own address
            return "" if response.status == 200 else f"{address} answers {response.status}"
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.read(2000).decode(errors="replace").strip()
    except OSError as error:
        return str(error)


def main() -> int:
    try:
        Supervisor(parse(), OwnServices.from_env()).run()
    except (Refused, SettingsRefused) as refusal:
        print(refusal, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
