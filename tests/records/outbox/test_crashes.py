"""R2, R3: real deliverers are killed with -9 at every step, and race each other."""

from __future__ import annotations

import socket
from collections import Counter
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from lifecycle.config import Settings
from lifecycle.core.clock import now
from lifecycle.core.db import transaction
from lifecycle.records.outbox import deliver
from tests.installation import SmtpSink
from tests.mail import deliver as deliver_all
from tests.mail import received
from tests.records.outbox.deliverer import deliverer, only_message, owe, states, wait_until


def settle(app: Flask) -> int:
    with app.app_context(), transaction():
        return deliver.settle_abandoned()


@pytest.mark.slow
def test_killed_before_the_hand_over_it_is_sent_once(
    app: Flask, settings: Settings, smtp_sink: SmtpSink
) -> None:
    owe(app)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        deliverer(settings, f"smtp://127.0.0.1:{silent.getsockname()[1]}") as victim,
    ):
        victim.begin()
        wait_until(lambda: states(app) == ["claimed"])
        victim.kill()
    # Somebody may still be at it.
    assert settle(app) == 0
    with time_machine.travel(now() + deliver.CLAIM_LASTS + timedelta(seconds=1)):
        assert settle(app) == 1
        assert deliver_all(app) == 1
    assert states(app) == ["sent"]
    assert len(smtp_sink.received) == 1


@pytest.mark.slow
@pytest.mark.parametrize("may_resend", [False, True])
def test_killed_before_the_answer_it_is_unconfirmed_or_sent_once_more_under_the_same_id(
    app: Flask, settings: Settings, smtp_sink: SmtpSink, may_resend: bool
) -> None:
    owe(app, resend_if_unsure=may_resend)
    smtp_sink.delay = 2.0
    with deliverer(settings) as victim:
        victim.begin()
        wait_until(lambda: smtp_sink.arrived == 1)
        assert states(app) == ["handing_over"]
        victim.kill()
    # The server took it, and the one who sent it never knew.
    wait_until(lambda: len(smtp_sink.received) == 1)
    smtp_sink.delay = 0.0
    assert settle(app) == 0
    with time_machine.travel(now() + deliver.HAND_OVER_LASTS + timedelta(seconds=1)):
        assert settle(app) == 1
        assert deliver_all(app) == (1 if may_resend else 0)
        assert settle(app) == 0
    assert states(app) == ["sent" if may_resend else "unconfirmed"]
    ids = [message["Message-ID"] for message in received(smtp_sink)]
    assert ids == [only_message(app).message_id] * (2 if may_resend else 1)


@pytest.mark.slow
def test_r4_a_clock_that_leaps_forward_takes_nothing_from_a_deliverer_who_lives(
    app: Flask, settings: Settings, smtp_sink: SmtpSink
) -> None:
    """Nothing is sent twice: in the middle of a hand-over the sweeper's clock is an hour ahead."""
    owe(app, resend_if_unsure=True)
    smtp_sink.delay = 2.0
    with deliverer(settings) as slow:
        slow.begin()
        wait_until(lambda: smtp_sink.arrived == 1)
        with time_machine.travel(now() + timedelta(hours=1)):
            assert settle(app) == 0
            assert deliver_all(app) == 0
        assert slow.sent() == 1
    assert states(app) == ["sent"]
    assert len(smtp_sink.received) == 1


@pytest.mark.slow
@pytest.mark.race
def test_two_deliverers_send_two_hundred_messages_once_each(
    app: Flask, settings: Settings, smtp_sink: SmtpSink
) -> None:
    owe(app, 200)
    with deliverer(settings) as first, deliverer(settings) as second:
        first.begin()
        second.begin()
        shares = first.sent(), second.sent()
    assert sum(shares) == 200
    assert min(shares) > 0, "they did not race"
    ids = Counter(message["Message-ID"] for message in received(smtp_sink))
    assert len(ids) == 200
    assert set(ids.values()) == {1}
    assert set(states(app)) == {"sent"}


@pytest.mark.slow
@pytest.mark.race
def test_deliverers_killed_in_the_middle_lose_nothing(
    app: Flask, settings: Settings, smtp_sink: SmtpSink
) -> None:
    owe(app, 40, resend_if_unsure=True)
    for taken in (10, 25):
        with deliverer(settings) as victim:
            victim.begin()
            wait_until(lambda: len(smtp_sink.received) >= taken)  # noqa: B023
            victim.kill()
    with time_machine.travel(now() + deliver.HAND_OVER_LASTS + timedelta(seconds=1)):
        settle(app)
        deliver_all(app)
    assert set(states(app)) == {"sent"}
    ids = Counter(message["Message-ID"] for message in received(smtp_sink))
    assert len(ids) == 40
    # At most the one in hand at each death went twice, under its own id.
    assert sum(ids.values()) <= 42
