"""P14: the real web server in production: its log, its metrics over all its processes, and how it starts."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle.config import Settings
from tests.blueprints.health.test_metrics import TOKEN, Series, parse, value
from tests.installation import running_web
from tests.records.outbox.deliverer import wait_until

pytestmark = pytest.mark.slow


class Server:
    """A web server as production runs it, and what it has logged."""

    def __init__(self, address: str, log: Path) -> None:
        self.address = address
        self._log = log

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        asked = urllib.request.Request(self.address + path, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def metrics(self) -> Series:
        status, text = self.get("/metrics", Authorization=f"Bearer {TOKEN}")
        assert status == 200
        return parse(text)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@pytest.fixture(scope="module")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("web") / "log"
    environment = {
        "LIFECYCLE_ENV": "production",
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SMTP_URL": settings.smtp_url,
        "SECRET_KEY": secrets.token_urlsafe(32),
        "LIFECYCLE_DATA": str(settings.data_dir),
        "METRICS_TOKEN": TOKEN,
    }
    with log.open("ab") as output, running_web(environment, output=output) as address:
        yield Server(address, log)


def test_every_line_of_the_log_is_a_record_and_none_holds_a_clients_key(server: Server) -> None:
    key = secrets.token_urlsafe(32)
    server.get(f"/c/{key}", **{"X-Request-ID": "asked-by-this-test"})
    [record] = [each for each in server.records() if each.get("request_id") == "asked-by-this-test"]
    assert (record["route"], record["status"], record["event"]) == ("/c/<token>", 404, "request")
    assert "gunicorn.error" in {each["logger"] for each in server.records()}
    assert key not in json.dumps(server.records())


def test_what_all_processes_count_adds_up_and_a_killed_one_loses_nothing(server: Server) -> None:
    def asked() -> float:
        return value(
            server.metrics(), "lifecycle_http_requests_total", route="/healthz", method="GET", status="200"
        )

    before = asked()
    for _ in range(40):
        server.get("/healthz")
    assert [asked() for _ in range(5)] == [before + 40] * 5
    in_use = value(server.metrics(), "lifecycle_database_connections", state="in_use")
    workers = {
        int(each["event"].rpartition(" ")[2])
        for each in server.records()
        if "Booting worker" in each["event"]
    }
    killed = min(workers)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: sum("Booting worker" in each["event"] for each in server.records()) > len(workers), 30)
    assert asked() == before + 40
    assert value(server.metrics(), "lifecycle_database_connections", state="in_use") <= in_use


def test_strangers_are_turned_away(server: Server) -> None:
    assert server.get("/metrics")[0] == 401


def test_the_pool_is_measured(server: Server) -> None:
    for _ in range(10):
        assert server.get("/login")[0] == 200
    series = server.metrics()
    assert value(series, "lifecycle_database_connections", state="open") >= 1
    assert value(series, "lifecycle_database_connections", state="in_use") >= 0


def test_importing_the_metrics_costs_a_start_nearly_nothing() -> None:
    program = (
        "import time, lifecycle.config; began = time.perf_counter(); import prometheus_client.multiprocess; "
        "print(time.perf_counter() - began)"
    )
    taken = min(
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
        for _ in range(3)
    )
    assert taken < 0.5
