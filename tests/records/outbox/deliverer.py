"""A real process that delivers, so that it can be killed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TextIO

import sqlalchemy as sa
from flask import Flask

from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.outbox.models import OutboxMessage
from tests.installation import environment_of
from tests.programs import Program

_PROGRAM = """
from lifecycle.app import create_app
from lifecycle.records.outbox.deliver import deliver_due
app = create_app()
print("ready", flush=True)
input()
with app.app_context():
    print(deliver_due()[0], flush=True)
"""


@dataclass
class Deliverer:
    """A process that waits for `begin`, delivers what is due and says how much it was."""

    process: Program
    ears: Connection
    mouth: TextIO

    def begin(self) -> None:
        os.write(self.ears.fileno(), b"\n")

    def sent(self) -> int:
        return int(self.mouth.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def deliverer(
    settings: Settings, smtp_url: str | None = None, more: dict[str, str] | None = None
) -> Iterator[Deliverer]:
    """A deliverer that is ready to begin; it is gone afterwards, whatever happened."""
    environment = {
        **os.environ,
        **environment_of(settings),
        "SMTP_URL": smtp_url or settings.smtp_url,
        **(more or {}),
    }
    reads, ears = Pipe(duplex=False)
    mouth, says = Pipe(duplex=False)
    with reads, ears, mouth, os.fdopen(os.dup(mouth.fileno())) as lines:
        process = Program("-c", _PROGRAM, environment=environment, standard=(reads, says, None))
        says.close()  # So that it is heard when it ends without a word.
        try:
            assert lines.readline() == "ready\n"
            yield Deliverer(process, ears, lines)
        finally:
            process.kill()


def owe(app: Flask, number: int = 1, *, resend_if_unsure: bool = False) -> None:
    """Owe somebody `number` messages."""
    with app.app_context(), transaction():
        for each in range(number):
            send_message(
                "test",
                to_address=f"to{each}@demo.example",
                to_name="Grace Hopper",
                subject=f"Message {each}",
                text="Hello.\n.\n.Hidden dot\n",
                html="<p>Hello.</p>",
                resend_if_unsure=resend_if_unsure,
            )


def states(app: Flask) -> list[str]:
    """The state of every message."""
    with app.app_context():
        return list(db.session.scalars(sa.select(OutboxMessage.state).order_by(OutboxMessage.id)))


def only_message(app: Flask) -> OutboxMessage:
    with app.app_context():
        return db.session.scalars(sa.select(OutboxMessage)).one()


def wait_until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something is so; fail when it does not become so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.02)
