"""The demo, told once for all tests that look at it: its seeding is killed on the way, and then finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Flask

from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.exchange.demo.seed import Seeding, is_wanted, seed_demo
from lifecycle.governance.playbooks.load import library_names
from lifecycle.governance.playbooks.publish import publish
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import SYSTEM
from tests.factories.playbooks import shipped
from tests.installation import ROOT, environment_of

PASSWORD = "a demo for everybody to see"


@dataclass(frozen=True)
class SeededDemo:
    """What the seeding said of itself."""

    was_wanted_when_killed: bool
    outcome: Seeding


def publish_library(app: Flask) -> None:
    with app.app_context(), transaction():
        for name in library_names():
            publish(shipped(name), SYSTEM)


def seed_after_a_kill(app: Flask, settings: Settings) -> SeededDemo:
    """Seed the demo into an empty database, where another process was killed while it did the same."""
    publish_library(app)
    _kill_a_seeding(app, settings)
    with app.app_context():
        return SeededDemo(is_wanted(), seed_demo(PASSWORD))


def _kill_a_seeding(app: Flask, settings: Settings) -> None:
    """Let another process seed, and kill it once it has told some cards."""
    environment = {
        **os.environ,
        **environment_of(settings),
        "LIFECYCLE_DATA": str(settings.data_dir),
        "LIFECYCLE_DEMO_PASSWORD": PASSWORD,
    }
    command = [sys.executable, "-m", "lifecycle.cli", "demo", "seed"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    deadline = time.monotonic() + 120
    with app.app_context():
        while db.session.scalars(sa.select(sa.func.count()).select_from(Card)).one() < 6:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            db.session.rollback()
            time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
