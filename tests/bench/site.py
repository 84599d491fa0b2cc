"""The whole product as `./dev up` starts it, with the bench's playbook and cards, and a floor beside it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.client import Browser
from tests.runtime.product import Product, running_product, wait_until

ROOT = Path(__file__).parents[2]
PLAYBOOK = Path(__file__).parent / "playbook"
SLUG = "bench.line"
STAGES = 12
FLOOR_TIMEOUT = 30.0
_UNFINISHED = """
select (select count(*) from rule_firings where state = 'pending')
    + (select count(*) from outbox_messages where state in ('held', 'due', 'claimed', 'handing_over'))
"""


class Site:
    """A product that runs, and what the bench asks of it besides its pages."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.environment: dict[str, str] = product.services["environment"]
        self.address: str = product.services["web"]
        self.password = secrets.token_urlsafe(12)

    def command(self, *arguments: str, typed: str = "") -> str:
        """Run one of the product's commands and return what it printed."""
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "lifecycle.cli", *arguments],
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, **self.environment},
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        return ran.stdout

    def load(self, cards: int) -> None:
        """Bring the board to so many open cards, its statistics up to date as on a board that grew."""
        self.command(
            "demo", "load", "--cards", str(cards), "--pipeline", SLUG, "--password-stdin", typed=self.password
        )
        with psycopg.connect(self.environment["DATABASE_OWNER_URL"], autocommit=True) as connection:
            connection.execute("vacuum analyze")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read the database directly, as its owner."""
        with psycopg.connect(self.environment["DATABASE_OWNER_URL"], autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def settled(self) -> None:
        """Wait until nothing is left to do, so that what was measured before does not slow what comes."""
        wait_until(lambda: not self.unfinished(), "the messages and rules of the last case", 600)

    def unfinished(self) -> int:
        """Return how many messages and rules wait to be worked on."""
        return int(self.rows(_UNFINISHED)[0][0])

    def browser(self, who: str = "manager") -> Browser:
        """Return somebody who is logged in."""
        browser = Browser(self.address)
        browser.log_in(f"{who}@demo.example", self.password)
        return browser

    def cpu_seconds(self, part: str) -> float:
        """Return the processor time that the processes whose command line holds `part` have used."""
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0.0
        for pid, command in self.product.family().items():
            if part in command:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / ticks
        return total

    def memory(self, part: str) -> float:
        """Return the MiB that these processes have to themselves (their proportional share)."""
        total = 0
        for pid, command in self.product.family().items():
            if part in command:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
        return total / 1024


@contextmanager
def running_site() -> Iterator[Site]:
    """The product in a data folder of its own, its playbook published; everything is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="lifecycle-bench-") as folder,
        running_product(Path(folder) / "data", "--port", str(free_port())) as product,
    ):
        site = Site(product)
        site.command("playbook", "publish", str(PLAYBOOK))
        yield site


@contextmanager
def running_floor(site: Site) -> Iterator[str]:
    """The floor on the product's database under the same web server; yields its address."""
    with psycopg.connect(site.environment["DATABASE_OWNER_URL"], autocommit=True) as connection:
        connection.execute((Path(__file__).parent / "floor.sql").read_bytes())
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.bench.floor:app", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", "2", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "5"]
    command += ["--log-level", "warning", "--no-control-socket"]
    environment = {**os.environ, "FLOOR_DATABASE_URL": site.environment["DATABASE_OWNER_URL"]}
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _wait_for(f"http://127.0.0.1:{port}/", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def free_port() -> int:
    """Return a port that is free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + FLOOR_TIMEOUT
    while time.monotonic() < deadline:
        assert server.poll() is None, "the floor ended"
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the floor did not start")
