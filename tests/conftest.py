"""What every test can ask for: real services, an application on them, a browser.

The services start once; each test process works in a clone of the migrated database and in its own Redis
database, and both are emptied after every test that wrote something.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.extensions import limiter
from lifecycle.governance.playbooks.library import of_revision
from tests.bucket import BucketServer, keep_files_in, running_bucket_server
from tests.demo import SeededDemo, seed_after_a_kill
from tests.installation import (
    Addresses,
    Emptying,
    Installation,
    SmtpSink,
    close_connections,
    environment_of,
    find_chromium,
    running_smtp_sink,
    running_web,
)

INSTALLATION = pytest.StashKey[Installation]()
COUNTED_BY = pytest.StashKey[tuple[Flask, object]]()
SECRET_KEY = "a key for tests only, the same in every process"
EVIDENCE_KEY = b"signs heads in tests, 32 bytes.."
BROWSER_REQUIRED = os.environ.get("CI") == "true" or os.environ.get("LIFECYCLE_REQUIRE_BROWSER") == "1"


def pytest_configure(config: pytest.Config) -> None:
    """Start the services in the process that hands out the work, once for all of them."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.stash[INSTALLATION] = Installation()


def pytest_unconfigure(config: pytest.Config) -> None:
    if installation := config.stash.get(INSTALLATION, None):
        installation.stop()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a test process where the services are."""
    node.workerinput["services"] = asdict(node.config.stash[INSTALLATION].addresses)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a browser, skip what needs one; where one is required, fail before anything runs."""
    browser_tests = [item for item in items if item.get_closest_marker("browser")]
    if find_chromium() or not browser_tests:
        return
    if BROWSER_REQUIRED:
        raise pytest.UsageError(
            "No Chromium was found (chromium, google-chrome, or CHROMIUM), and one is required."
        )
    for item in browser_tests:
        item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if "no Chromium" in str(r.longrepr)]
    if skipped:
        terminalreporter.section("NO BROWSER", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"{len(skipped)} browser tests did NOT run: install chromium, or name one in CHROMIUM.",
            red=True,
            bold=True,
        )


# --- services ---


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Addresses:
    """This test process's own database, as superuser, owner, app and reader, and its own Redis database."""
    told = getattr(request.config, "workerinput", None)
    if told is not None:
        return Addresses(**told["services"]).of_worker(told["workerid"])
    return request.config.stash[INSTALLATION].addresses.of_worker("gw0")


@pytest.fixture(scope="session")
def running_sink() -> Iterator[SmtpSink]:
    with running_smtp_sink() as sink:
        yield sink


@pytest.fixture
def smtp_sink(running_sink: SmtpSink) -> Iterator[SmtpSink]:
    """The mail server that the application sends to; what it received is gone after the test."""
    running_sink.reset()
    yield running_sink
    running_sink.reset()


@pytest.fixture(scope="session")
def running_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    with running_bucket_server(tmp_path_factory.mktemp("bucket")) as server:
        yield server


@pytest.fixture
def bucket(app: Flask, running_bucket: BucketServer) -> Iterator[BucketServer]:
    """The application keeps new files in this bucket, until the test is over."""
    running_bucket.reset()
    before = app.extensions["settings"]
    keep_files_in(app, replace(before, file_storage="s3", bucket=running_bucket.account))
    yield running_bucket
    keep_files_in(app, before)
    running_bucket.reset()


@pytest.fixture(scope="session")
def settings(
    services: Addresses, running_sink: SmtpSink, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    return Settings(
        environment="testing",
        database_url=services.app,
        database_owner_url=services.owner,
        database_reader_url=services.reader,
        redis_url=services.redis,
        smtp_url=running_sink.url,
        secret_key=SECRET_KEY,
        evidence_key=EVIDENCE_KEY,
        base_url="http://localhost",
        data_dir=tmp_path_factory.mktemp("data"),
    )


@pytest.fixture(scope="session")
def app(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Flask]:
    app = create_app(settings)
    request.config.stash[COUNTED_BY] = app, limiter.storage
    yield app
    close_connections(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A visitor who is not logged in. A test that calls it must not hold an application context itself."""
    return app.test_client()


@pytest.fixture(scope="session")
def emptying(services: Addresses) -> Iterator[Emptying]:
    emptying = Emptying(services)
    yield emptying
    emptying.close()


@pytest.fixture(autouse=True)
def clean_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let tests commit for real, and leave nothing of it to the next one."""
    if "services" not in request.fixturenames:
        yield
        return
    emptying: Emptying = request.getfixturevalue("emptying")
    yield
    emptying.empty()
    # A test that works with a second database meets the same numbers there.
    of_revision.cache_clear()
    _count_limits_here(request.config)


def _count_limits_here(config: pytest.Config) -> None:
    """A process has one limiter, which counts where the application that was made last keeps its Redis."""
    app, storage = config.stash.get(COUNTED_BY, (None, None))
    if app is not None and limiter.storage is not storage:
        limiter.init_app(app)
        config.stash[COUNTED_BY] = app, limiter.storage


@pytest.fixture(scope="session")
def told_demo(app: Flask, settings: Settings, emptying: Emptying) -> tuple[SeededDemo, dict[str, bytes]]:
    """The demo and its rows, told once a test process: what asks for it belongs to the xdist group `demo`."""
    try:
        seeded = seed_after_a_kill(app, settings)
        return seeded, emptying.keep()
    finally:
        emptying.empty()


@pytest.fixture
def demo(told_demo: tuple[SeededDemo, dict[str, bytes]], emptying: Emptying) -> SeededDemo:
    """A database that holds the whole demo."""
    seeded, rows = told_demo
    emptying.bring_back(rows)
    return seeded


# --- browser ---


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    quiet = [
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ]
    # Chromium's own sandbox refuses root.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": find_chromium(), "args": [*sandbox, *quiet]}


@pytest.fixture(scope="session")
def live_server(settings: Settings) -> Iterator[str]:
    """The address of the real web server on this test process's database."""
    environment = {
        **environment_of(settings),
        "DATABASE_READER_URL": settings.database_reader_url or "",
        "LIFECYCLE_DATA": str(Path(settings.data_dir)),
    }
    with running_web(environment) as address:
        yield address


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    """What a page's relative address is relative to."""
    return str(request.getfixturevalue("live_server"))
