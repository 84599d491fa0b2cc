"""R2: a clock that is set back holds no rule up, nor what it tells."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from jobs import outbox, rules
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.automation import perform as automation
from lifecycle.governance.moves.outcome import UNDO_WINDOW
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.outbox.models import OutboxMessage
from tests.factories.cards import a_card, moved, rows
from tests.factories.consequences import firings, perform
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.mail import received

AN_HOUR = timedelta(hours=1)
STAGES = """
first: {}
second:
  notify: { departments: [office], message: hello }
  on_enter: [ { task: Weigh it } ]
"""


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, STAGES, files={"messages/hello.yaml": "subject: Hello\ntext: It moved.\n"})
    make_user(app, name="Ola", departments=["office"])
    return make_user(app, name="Ana", departments=["bench"])


def sweep(app: Flask) -> None:
    with app.app_context():
        rules.sweep()
        outbox.sweep()


def test_what_a_move_owes_comes_when_the_minute_of_undo_is_over(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    card, start = a_card(app, ana), now()
    with time_machine.travel(start + AN_HOUR):
        moved(app, card, "second", ana)
    sweep(app)
    # Telling does not wait for the minute; what is told and the task do.
    assert perform(app) == 1
    assert {row["state"] for row in rows(app, OutboxMessage)} == {"held"}
    with time_machine.travel(start + UNDO_WINDOW + timedelta(seconds=5)):
        sweep(app)
        assert perform(app) == 1
        with app.app_context():
            outbox.deliver_due()
    assert {firing.state for firing in firings(app, card)} == {"done"}
    assert len(received(smtp_sink)) == 1


def test_the_next_try_comes_after_its_delay(app: Flask, ana: Person) -> None:
    card, start = a_card(app, ana), now()
    moved(app, card, "second", ana)
    with app.app_context(), transaction():
        for firing in db.session.query(RuleFiring):
            firing.attempts, firing.next_attempt_at = 2, start + AN_HOUR * 24
    sweep(app)
    longest = start + automation.DELAYS[1] + timedelta(minutes=1)
    assert all(firing.next_attempt_at < longest for firing in firings(app, card))


def test_a_card_that_came_in_the_future_is_told_of_in_a_minute(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    """Its visits follow each other, so this move is dated after the one before it; its mail is not."""
    card, start = a_card(app, ana), now()
    with time_machine.travel(start + AN_HOUR):
        moved(app, card, "second", ana)
        boss = make_user(app, role="manager")
        moved(app, card, "first", boss, override=True, reason="It was too early.")
    moved(app, card, "second", ana)
    sweep(app)
    with time_machine.travel(start + UNDO_WINDOW + timedelta(seconds=5)):
        for _ in range(2):
            sweep(app)
            perform(app)
            with app.app_context():
                outbox.deliver_due()
    assert len(received(smtp_sink)) == 2
