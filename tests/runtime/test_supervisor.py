"""P1: one foreground process runs the product, revives what dies and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import smtplib
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from lifecycle.runtime.datafolder import OUTSIDE
from lifecycle.runtime.mailbox import list_messages
from tests.installation import Addresses, free_port
from tests.runtime.product import (
    Product,
    data_folder,
    running_product,
    started_product,
    wait_gone,
    wait_until,
)

# One process runs them all: they share one product.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("product")]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """One running product for the tests that leave it as they found it; stopped, it leaves nothing."""
    with data_folder() as data, running_product(data) as running:
        yield running
        family = running.family()
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < 40
        wait_gone(family, timeout=2)
        assert not (data / "services.json").exists()


def readiness(product: Product) -> tuple[int, dict[str, Any]]:
    """The answer's status, 0 without an answer, and what it says of each part."""
    try:
        with urllib.request.urlopen(f"{product.services['web']}/readyz", timeout=10) as response:
            return int(response.status), json.load(response)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)
    except OSError:
        return 0, {"status": "no answer", "parts": {}}


def is_ready(product: Product) -> bool:
    return readiness(product)[0] == 200


def is_whole(product: Product) -> bool:
    return bool(readiness(product)[1]["status"] == "ready")


def test_it_says_where_it_serves_exactly_once(product: Product) -> None:
    assert product.said.count("Ready: ") == 1
    assert is_ready(product)


def test_services_json_is_for_its_owner_only_and_names_the_apps_role(product: Product) -> None:
    file = product.data / "services.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    services = product.services
    assert services["pid"] == product.process.pid
    with psycopg.connect(services["database"]) as app:
        row = app.execute("select rolname, rolsuper from pg_roles where rolname = current_user").fetchone()
    assert row == ("lifecycle_app", False)
    redis.Redis.from_url(services["redis"]).close()


def test_nothing_listens_on_the_network_but_the_web_server_and_the_mailbox(product: Product) -> None:
    services = product.services
    assert services["database"].split("@")[1].startswith("/lifecycle?host=/")
    assert services["redis"].startswith("unix://")


def test_only_the_preparation_is_told_the_owners_address(product: Product) -> None:
    for part in ("gunicorn", "jobs.worker urgent", "jobs.schedule"):
        environment = Path(f"/proc/{product.child(part)}/environ").read_bytes()
        assert b"DATABASE_URL=" in environment
        assert b"DATABASE_OWNER_URL" not in environment


def test_a_second_start_on_the_same_data_names_the_first(product: Product) -> None:
    with started_product(product.data, "--no-demo") as second:
        assert second.wait_ended() == 1
    assert second.said.strip() == f"Lifecycle already runs on {product.data}, at {product.services['web']}"
    assert is_ready(product)


def test_a_busy_port_is_one_sentence(product: Product) -> None:
    with data_folder() as data, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started_product(data, "--no-demo", "--port", str(port)) as other:
            assert other.wait_ended() == 1
    assert other.said.strip() == f"Port {port} is taken by another program: choose another with --port."


def test_mail_goes_to_the_local_mailbox_even_after_it_was_killed(product: Product) -> None:
    host, port = product.services["smtp"].removeprefix("smtp://").split(":")
    os.kill(product.child("lifecycle.runtime.mailbox"), signal.SIGKILL)
    with smtplib.SMTP(host, int(port), timeout=20) as server:
        server.sendmail("a@demo.example", ["b@demo.example"], "Subject: Grüße\r\n\r\nhello".encode())
    messages = list_messages(product.data / "mailbox")
    assert [message.recipients for message in messages] == [("b@demo.example",)]


def test_a_killed_database_comes_back_with_its_data(product: Product) -> None:
    owner = product.services["database_owner"]
    with psycopg.connect(owner) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('still here')")
    killed = product.child("postgres")
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: product.child_or_none("postgres") not in (None, killed), "PostgreSQL is started again")
    wait_until(lambda: is_ready(product), "the product is ready again")
    with psycopg.connect(owner) as connection:
        assert connection.execute("select word from kept").fetchone() == ("still here",)
        connection.execute("drop table kept")
    assert "PostgreSQL was ended by SIGKILL; starting it again" in product.said


def test_a_running_product_says_that_every_part_is_there(product: Product) -> None:
    wait_until(lambda: is_whole(product), "every worker and the scheduler have given a sign of life")
    parts = readiness(product)[1]["parts"]
    assert {"database", "redis", "worker urgent", "worker bulk", "scheduler"} <= set(parts)
    assert parts["worker bulk"]["alive"] == 1


def test_what_workers_do_is_in_the_metrics_of_the_web_server(product: Product) -> None:
    def told() -> str:
        with urllib.request.urlopen(f"{product.services['web']}/metrics", timeout=10) as response:
            return str(response.read().decode())

    # At its start the scheduler queues everything once.
    job = 'lifecycle_jobs_total{function="jobs.rules.set_off_timed",outcome="done",queue="bulk"}'
    wait_until(lambda: job in told(), "a job is counted")
    wait_until(lambda: 'lifecycle_part_ok{part="scheduler"} 1.0' in told(), "the scheduler is told")


@pytest.mark.parametrize(
    ("program", "part", "status"), [("postgres", "database", 503), ("valkey-server", "redis", 200)]
)
def test_a_part_that_hangs_is_named_within_seconds(
    product: Product, program: str, part: str, status: int
) -> None:
    wait_until(lambda: is_whole(product), "the product is whole")
    hung = product.child(program)
    os.kill(hung, signal.SIGSTOP)
    time.sleep(0.5)  # An answer is shared for a quarter of a second.
    try:
        began = time.monotonic()
        code, said = readiness(product)
        assert time.monotonic() - began < 6
    finally:
        os.kill(hung, signal.SIGCONT)
    assert (code, said["parts"][part]["state"]) == (status, "down")
    assert said["status"] == ("not ready" if status == 503 else "degraded")
    wait_until(lambda: is_whole(product), "the product is whole again")


def test_a_killed_queue_comes_back_with_its_data(product: Product) -> None:
    client = redis.Redis.from_url(product.services["redis"])
    client.set("kept", "still here")
    time.sleep(1.2)  # The append-only file is written out every second.
    killed = product.child("valkey-server")
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: product.child_or_none("valkey-server") not in (None, killed), "Valkey is started again"
    )
    wait_until(lambda: readiness(product)[1]["parts"]["redis"]["state"] == "ok", "the queue answers again")
    assert client.get("kept") == b"still here"
    client.delete("kept")
    client.close()


@pytest.mark.parametrize("part", ["gunicorn", "jobs.worker urgent", "jobs.worker bulk", "jobs.schedule"])
def test_a_killed_part_is_started_again(product: Product, part: str) -> None:
    killed = product.child(part)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: product.child_or_none(part) not in (None, killed), f"{part} is started again")
    wait_until(lambda: is_ready(product), "the product is ready again")


def test_an_ordinary_user_can_kill_it_and_start_it_again_on_the_same_data() -> None:
    user = "nobody" if os.geteuid() == 0 else None
    with data_folder(user) as data:
        with running_product(data, user=user) as product:
            assert data.stat().st_mode & 0o777 == 0o700
            before, family = product.services, product.family()
            product.process.kill()
            product.wait_ended()
        with running_product(data, user=user) as again:
            wait_gone(family)
            assert again.services["database"] == before["database"]
            assert is_ready(again)


def test_a_failed_preparation_is_shown_and_everything_stops() -> None:
    with data_folder() as data, started_product(data, "--no-demo", MAX_UPLOAD_BYTES="many") as product:
        assert product.wait_ended() == 1
    assert "MAX_UPLOAD_BYTES must be a whole number of bytes above 0, not 'many'." in product.said
    assert not product.family()


@as_root
def test_root_can_keep_its_data_where_nobody_else_may_look_and_a_kill_leaves_nothing(
    request: pytest.FixtureRequest,
) -> None:
    with data_folder() as data:
        data.parent.chmod(0o700)
        with running_product(data) as product:
            assert is_ready(product)
            sockets = Path(product.services["database"].split("host=")[1])
            request.addfinalizer(lambda: shutil.rmtree(sockets.parent, ignore_errors=True))
            assert sockets.is_relative_to(OUTSIDE)
            assert data.parent.stat().st_mode & 0o777 == 0o700
            family = product.family()
            product.process.kill()
            product.wait_ended()
            wait_gone(family)


def test_a_database_and_a_redis_of_ones_own_take_the_place_of_the_embedded_ones(services: Addresses) -> None:
    with psycopg.connect(services.superuser, autocommit=True) as superuser:
        superuser.execute("create role company login createrole password 'secret'")
        superuser.execute("create database company owner company")
    url = services.superuser.replace("://postgres:", "://company:").split("@")
    given = f"postgresql://company:secret@/company?{url[1].split('?')[1]}"
    try:
        with (
            data_folder() as data,
            running_product(
                data, "--port", str(free_port()), DATABASE_URL=given, REDIS_URL=services.redis
            ) as product,
        ):
            assert is_ready(product)
            assert not (data / "pgdata").exists()
            assert not (data / "valkey").exists()
            assert product.services["database_owner"] is None
            assert "://company_app:" in product.services["database"]
            assert "Redis runs without an append-only file" in product.said
            assert not [command for command in product.family().values() if "postgres" in command]
    finally:
        with psycopg.connect(services.superuser, autocommit=True) as superuser:
            superuser.execute("drop database company with (force)")
            superuser.execute("drop role company_app, company_reader, company")
