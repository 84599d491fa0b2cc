"""E14: what becomes due in a contact's quiet hours waits until they end, whatever else moves its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.core.clock import now, pretending
from lifecycle.core.db import transaction
from lifecycle.records.accounts.contacts import edit_contact
from lifecycle.records.outbox import deliver
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import SYSTEM
from tests.factories.cards import rows
from tests.factories.reach import change_contact, contact_row, likes_sms, owe_to
from tests.installation import SmtpSink
from tests.mail import deliver as deliver_all
from tests.records.outbox.deliverer import only_message, states

NIGHT: dict[str, Any] = {"time_zone": "Europe/Madrid", "quiet_from": "22:00", "quiet_until": "08:00"}
MIDNIGHT = datetime(2026, 1, 10, 23, 0, tzinfo=UTC)
MORNING = datetime(2026, 1, 11, 7, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def grace(app: Flask) -> Any:
    with time_machine.travel(MIDNIGHT - timedelta(days=1)):
        return likes_sms(app, channel="", **NIGHT)


def sweep(app: Flask) -> None:
    with app.app_context(), transaction():
        deliver.settle_abandoned()


def test_what_is_written_at_night_leaves_in_the_morning(app: Flask, smtp_sink: SmtpSink, grace: Any) -> None:
    with time_machine.travel(MIDNIGHT, tick=False):
        owe_to(app, grace)
        message = only_message(app)
        assert (message.state, message.next_attempt_at, message.quiet_until) == ("held", MORNING, MORNING)
    for at in (MIDNIGHT, MIDNIGHT + timedelta(hours=4), MORNING - SECOND):
        with time_machine.travel(at, tick=False):
            # The sweeper, who puts right what a clock set back has stamped, leaves it alone.
            sweep(app)
            assert deliver_all(app) == 0
    assert smtp_sink.received == []
    with time_machine.travel(MORNING, tick=False):
        assert deliver_all(app) == 1
    assert only_message(app).attempts == 1


def test_what_is_written_by_day_leaves_at_once(app: Flask, smtp_sink: SmtpSink, grace: Any) -> None:
    with time_machine.travel(MORNING, tick=False):
        owe_to(app, grace)
        assert deliver_all(app) == 1


def test_what_they_asked_for_themselves_leaves_at_once(app: Flask, smtp_sink: SmtpSink, grace: Any) -> None:
    with time_machine.travel(MIDNIGHT, tick=False):
        owe_to(app, grace, at_once=True)
        assert deliver_all(app) == 1


@pytest.mark.parametrize(
    ("night", "morning"),
    [
        # The hour that is skipped, and the one that comes twice.
        (datetime(2026, 3, 28, 22, 0, tzinfo=UTC), datetime(2026, 3, 29, 6, 0, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, 0, tzinfo=UTC), datetime(2026, 10, 25, 7, 0, tzinfo=UTC)),
    ],
)
def test_eight_is_eight_in_the_night_of_a_clock_change(
    app: Flask, smtp_sink: SmtpSink, grace: Any, night: datetime, morning: datetime
) -> None:
    with time_machine.travel(night, tick=False):
        owe_to(app, grace)
    with time_machine.travel(morning - SECOND, tick=False):
        assert deliver_all(app) == 0
    with time_machine.travel(morning, tick=False):
        assert deliver_all(app) == 1


def test_an_undo_window_that_ends_at_night_ends_in_the_morning(
    app: Flask, smtp_sink: SmtpSink, grace: Any
) -> None:
    evening = datetime(2026, 1, 10, 20, 59, 30, tzinfo=UTC)
    with time_machine.travel(evening, tick=False):
        owe_to(app, grace, send_after=evening + timedelta(minutes=1))
    assert only_message(app).next_attempt_at == MORNING


def test_a_retry_that_falls_into_the_night_waits_for_the_morning(
    app: Flask, smtp_sink: SmtpSink, grace: Any
) -> None:
    evening = datetime(2026, 1, 10, 20, 59, 45, tzinfo=UTC)
    smtp_sink.answer = "451 Try later"
    with time_machine.travel(evening, tick=False):
        owe_to(app, grace)
        deliver_all(app)
        assert only_message(app).attempts == 1
    smtp_sink.answer = "250 Kept"
    with time_machine.travel(evening + timedelta(minutes=1), tick=False):
        assert deliver_all(app) == 0
        message = only_message(app)
        # That nobody may be disturbed is no failed attempt.
        assert (message.attempts, message.next_attempt_at) == (1, MORNING)
    with time_machine.travel(MORNING, tick=False):
        assert deliver_all(app) == 1


def test_quiet_hours_that_are_chosen_while_it_waits_count(
    app: Flask, smtp_sink: SmtpSink, grace: Any
) -> None:
    change_contact(app, grace, quiet_from=None, quiet_until=None)
    with time_machine.travel(MIDNIGHT, tick=False):
        owe_to(app, grace)
        change_contact(app, grace, quiet_from="22:00", quiet_until="08:00")
        assert deliver_all(app) == 0
    assert only_message(app).quiet_until == MORNING


@pytest.mark.parametrize(
    ("typed", "leaves"),
    [
        ({"quiet_until": "06:00"}, MORNING - timedelta(hours=2)),
        ({"quiet_from": "", "quiet_until": ""}, MIDNIGHT),
        ({"time_zone": "Asia/Tokyo"}, MIDNIGHT),
    ],
)
def test_what_waits_follows_when_they_change(
    app: Flask, smtp_sink: SmtpSink, grace: Any, typed: dict[str, str], leaves: datetime
) -> None:
    with time_machine.travel(MIDNIGHT, tick=False):
        owe_to(app, grace)
        with app.app_context(), transaction():
            edit_contact(grace, typed, seen_version=contact_row(app, grace)["version"], actor=SYSTEM)
    assert only_message(app).next_attempt_at == leaves
    with time_machine.travel(leaves, tick=False):
        assert deliver_all(app) == 1


def test_one_who_sleeps_keeps_nothing_from_one_who_is_awake(
    app: Flask, smtp_sink: SmtpSink, grace: Any
) -> None:
    awake = likes_sms(app, channel="", email="awake@client.example")
    change_contact(app, grace, quiet_from=None, quiet_until=None)
    with time_machine.travel(MIDNIGHT, tick=False):
        owe_to(app, grace, 3)
        owe_to(app, awake, 2)
        change_contact(app, grace, quiet_from="22:00", quiet_until="08:00")
        assert deliver_all(app) == 2
    assert sorted(states(app)) == ["due", "due", "due", "sent", "sent"]


def test_a_clock_that_was_set_back_moves_no_morning(app: Flask, smtp_sink: SmtpSink, grace: Any) -> None:
    with time_machine.travel(MIDNIGHT + timedelta(hours=2), tick=False):
        owe_to(app, grace)
    with time_machine.travel(MIDNIGHT, tick=False):
        sweep(app)
    assert only_message(app).next_attempt_at == MORNING


def test_a_zone_that_this_machine_does_not_know_holds_nothing_up(
    app: Flask, smtp_sink: SmtpSink, grace: Any
) -> None:
    change_contact(app, grace, time_zone="Atlantis/Lost")
    with time_machine.travel(MIDNIGHT, tick=False):
        owe_to(app, grace)
        assert deliver_all(app) == 1


def test_history_that_is_told_is_not_held(app: Flask, grace: Any) -> None:
    with pretending(MIDNIGHT):
        owe_to(app, grace)
    [row] = rows(app, OutboxMessage)
    assert (row["state"], row["sent_at"]) == ("sent", MIDNIGHT)
    assert now() > MIDNIGHT
