"""R4: a clock that is set back holds no message up, and sends none twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.outbox import deliver
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.outbox.models import OutboxMessage
from tests.installation import SmtpSink
from tests.mail import deliver as deliver_all
from tests.records.outbox.deliverer import only_message, owe, states

AN_HOUR = timedelta(hours=1)


def sweep(app: Flask) -> None:
    with app.app_context(), transaction():
        deliver.settle_abandoned()


def test_what_was_due_is_sent_at_once(app: Flask, smtp_sink: SmtpSink) -> None:
    with time_machine.travel(now() + AN_HOUR):
        owe(app)
    sweep(app)
    assert deliver_all(app) == 1
    assert states(app) == ["sent"]


@pytest.mark.parametrize("back", [timedelta(seconds=30), AN_HOUR])
def test_what_was_held_for_a_minute_is_held_for_a_minute(
    app: Flask, smtp_sink: SmtpSink, back: timedelta
) -> None:
    start = now()
    with time_machine.travel(start + back), app.app_context(), transaction():
        send_message(
            "test",
            to_address="to@demo.example",
            to_name=None,
            subject="Held",
            text="",
            html=None,
            send_after=now() + timedelta(minutes=1),
        )
    for second in (0, 5, 10, 40, 55):
        # However often it is looked at, the minute is not begun again.
        with time_machine.travel(start + timedelta(seconds=second)):
            sweep(app)
            assert deliver_all(app) == 0
    with time_machine.travel(start + timedelta(seconds=62)):
        sweep(app)
        assert deliver_all(app) == 1


def test_a_hold_that_was_reckoned_by_the_clock_before_is_a_minute_too(
    app: Flask, smtp_sink: SmtpSink
) -> None:
    """The clock was set back between the move and the message that its rule wrote."""
    start = now()
    with app.app_context(), transaction():
        send_message(
            "test",
            to_address="to@demo.example",
            to_name=None,
            subject="Held",
            text="",
            html=None,
            send_after=start + AN_HOUR,
        )
    for second in (0, 30):
        with time_machine.travel(start + timedelta(seconds=second)):
            sweep(app)
            assert deliver_all(app) == 0
    with time_machine.travel(start + timedelta(seconds=70)):
        assert deliver_all(app) == 1


@pytest.mark.parametrize("attempts", [1, 4, 9])
def test_the_next_try_comes_after_its_delay(app: Flask, smtp_sink: SmtpSink, attempts: int) -> None:
    start = now()
    delay = deliver.DELAYS[min(attempts, len(deliver.DELAYS)) - 1]
    owe(app)
    with app.app_context(), transaction():
        message = db.session.get_one(OutboxMessage, only_message(app).id)
        message.attempts, message.next_attempt_at = attempts, start + AN_HOUR * 24 + delay
    sweep(app)
    assert only_message(app).next_attempt_at - start < delay + timedelta(minutes=1)
    with time_machine.travel(start + delay + timedelta(minutes=1)):
        assert deliver_all(app) == 1


@pytest.mark.parametrize("state", ["claimed", "handing_over"])
def test_what_a_dead_process_held_is_given_its_time_from_now_on(
    app: Flask, smtp_sink: SmtpSink, state: str
) -> None:
    owe(app, resend_if_unsure=True)
    start = now()
    with app.app_context(), transaction():
        message = db.session.get_one(OutboxMessage, only_message(app).id)
        message.state, message.attempts, message.claimed_at = state, 1, start + AN_HOUR
    sweep(app)
    # Whoever holds it may be alive.
    assert states(app) == [state]
    with time_machine.travel(start + deliver.HAND_OVER_LASTS + timedelta(seconds=10)):
        sweep(app)
        assert states(app) == ["due"]


def test_a_clock_that_runs_a_little_late_changes_nothing(app: Flask, smtp_sink: SmtpSink) -> None:
    owe(app)
    planned = only_message(app).next_attempt_at
    with time_machine.travel(now() - timedelta(seconds=2)):
        sweep(app)
    assert only_message(app).next_attempt_at == planned
