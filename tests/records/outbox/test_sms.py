"""E14, R2-R4: an SMS leaves as surely as a mail does, once, and by mail where it cannot leave as one."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.config import Settings
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records import posting
from lifecycle.records.accounts.contacts import edit_contact
from lifecycle.records.outbox import deliver
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import SYSTEM
from tests.factories.cards import rows
from tests.factories.reach import NUMBER, PHONE, change_contact, contact_row, likes_sms, owe_to
from tests.installation import SmtpSink, free_port
from tests.mail import deliver as deliver_all
from tests.mail import received, text_of
from tests.records.outbox.deliverer import deliverer, only_message, owe, states, wait_until
from tests.sms import SmsServer, running_sms_server, sending_by

PROVIDERS = ("twilio", "vonage")


@pytest.fixture(params=PROVIDERS)
def server(request: pytest.FixtureRequest, app: Flask) -> Iterator[SmsServer]:
    """A provider that the application in this process sends by."""
    with running_sms_server(request.param) as server, sending_by(app, server.account):
        yield server


@pytest.fixture
def grace(app: Flask) -> Any:
    return likes_sms(app)


def settle(app: Flask) -> int:
    with app.app_context(), transaction():
        return deliver.settle_abandoned()


def test_who_prefers_sms_gets_one_and_no_mail(
    app: Flask, server: SmsServer, grace: Any, smtp_sink: SmtpSink
) -> None:
    owe_to(app, grace)
    assert deliver_all(app) == 1
    message = only_message(app)
    assert (message.state, message.channel, message.to_phone) == ("sent", "sms", NUMBER)
    assert server.texts == ["Hello 0."]
    assert [number.lstrip("+") for number in server.numbers] == [NUMBER.lstrip("+")]
    assert (message.provider, message.provider_id) == (server.provider, server.ids[0])
    # What a receipt will bring back.
    [taken] = server.taken
    home = app.extensions["settings"].base_url
    if server.provider == "twilio":
        assert taken["StatusCallback"] == f"{home}/sms/twilio/receipts/{message.id}"
        assert taken["To"] == NUMBER
    else:
        assert (taken["client_ref"], taken["webhook_url"]) == (str(message.id), f"{home}/sms/vonage/receipts")
    assert smtp_sink.received == []


@pytest.mark.parametrize(
    ("why", "given", "more"),
    [
        ("They want no more SMS.", {"sms_stopped_at": now()}, {}),
        ("There is no mobile number of theirs.", {"phone": "+34 912 345 678"}, {}),
        ("There is no mobile number of theirs.", {"phone": None}, {}),
        ("It has no short text.", {}, {"sms": None}),
        ("As an SMS it would have 7 parts, and 6 are the most.", {}, {"sms": "a" * (6 * 153 + 1)}),
    ],
)
def test_what_cannot_go_as_an_sms_goes_by_mail_and_says_why(
    app: Flask, grace: Any, smtp_sink: SmtpSink, why: str, given: dict[str, Any], more: dict[str, Any]
) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        change_contact(app, grace, **given)
        owe_to(app, grace, **more)
        assert deliver_all(app) == 1
        assert server.arrived == 0
    message = only_message(app)
    assert (message.state, message.channel, message.by_mail_because) == ("sent", "email", why)
    assert [arrived["To"] for arrived in received(smtp_sink)] == ["Grace Hopper <grace@client.example>"]


def test_without_a_provider_it_goes_by_mail_and_says_so(app: Flask, grace: Any, smtp_sink: SmtpSink) -> None:
    owe_to(app, grace)
    assert deliver_all(app) == 1
    assert only_message(app).by_mail_because == "SMS is not set up here."
    assert len(smtp_sink.received) == 1


def test_a_text_of_just_six_parts_goes_whole(app: Flask, server: SmsServer, grace: Any) -> None:
    owe_to(app, grace, sms="a" * (6 * 153))
    deliver_all(app)
    assert server.texts == ["a" * 918]


@pytest.mark.parametrize("given", [{"sms_stopped_at": now()}, {"channel": None}, {"phone": None}])
def test_what_changes_while_it_waits_counts(
    app: Flask, server: SmsServer, grace: Any, smtp_sink: SmtpSink, given: dict[str, Any]
) -> None:
    owe_to(app, grace, send_after=now() + timedelta(seconds=30))
    assert only_message(app).channel == "sms"
    change_contact(app, grace, **given)
    with time_machine.travel(now() + timedelta(seconds=31)):
        assert deliver_all(app) == 1
    assert server.arrived == 0
    assert len(smtp_sink.received) == 1


def test_a_line_on_top_stands_on_top_and_may_make_it_too_long(
    app: Flask, server: SmsServer, grace: Any, smtp_sink: SmtpSink
) -> None:
    owe_to(app, grace, 2)
    with app.app_context(), transaction():
        for message, line in zip(db.session.query(OutboxMessage), ("Soon!", "я" * 450), strict=True):
            message.added_line = line
    assert deliver_all(app) == 2
    assert [text.partition("\n")[0] for text in server.texts] == ["Soon!"]
    assert len(smtp_sink.received) == 1
    assert "я" * 450 in text_of(received(smtp_sink)[0])


HOSTILE = 'Eve\r\nTo: +1900\r\n\r\n&Body=x&To=%2B1900\0\u202e#?/../"}{\\'


def test_hostile_texts_and_names_stay_text(app: Flask, server: SmsServer, grace: Any) -> None:
    change_contact(app, grace, name=HOSTILE.replace("\0", ""))
    owe_to(app, grace, sms=HOSTILE, subject=HOSTILE)
    assert deliver_all(app) == 1
    [text] = server.texts
    assert text == 'Eve\nTo: +1900\n\n&Body=x&To=%2B1900#?/../"}{\\'
    assert [number.lstrip("+") for number in server.numbers] == [NUMBER.lstrip("+")]


def test_hostile_numbers_reach_nobody(app: Flask, server: SmsServer, grace: Any, smtp_sink: SmtpSink) -> None:
    change_contact(app, grace, phone="+34612345678\r\nX: y,+19005550000")
    owe_to(app, grace)
    deliver_all(app)
    assert server.arrived == 0
    assert len(smtp_sink.received) == 1


def test_a_final_no_goes_by_mail_at_once(
    app: Flask, server: SmsServer, grace: Any, smtp_sink: SmtpSink
) -> None:
    server.answer = (400, {"code": 21211, "message": "Invalid 'To' Phone Number", "title": "Invalid"})
    owe_to(app, grace)
    assert deliver_all(app) == 1
    message = only_message(app)
    assert (message.state, message.channel) == ("sent", "email")
    assert (message.by_mail_because or "").startswith("The SMS failed: 400 ")
    assert server.arrived == 1
    assert len(smtp_sink.received) == 1
    # Nothing about the number itself: the next one is tried.
    assert contact_row(app, grace)["sms_stopped_at"] is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_provider_is_asked_again_later_and_later_and_then_it_goes_by_mail(
    app: Flask, grace: Any, smtp_sink: SmtpSink, status: int
) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        server.answer = (status, {"code": 20429, "message": "Too Many Requests"})
        owe_to(app, grace)
        at = now()
        for number, delay in enumerate(deliver.DELAYS, start=1):
            with time_machine.travel(at, tick=False):
                assert deliver_all(app) == 0
                message = only_message(app)
                assert (message.state, message.attempts, message.channel) == ("due", number, "sms")
                assert message.next_attempt_at == at + delay
                assert deliver_all(app) == 0
                assert only_message(app).attempts == number
            at += delay
        # By mail it has all the tries of a mail.
        smtp_sink.answer = "451 Try later"
        with time_machine.travel(at, tick=False):
            assert deliver_all(app) == 0
            message = only_message(app)
            assert (message.channel, message.state) == ("email", "due")
            assert message.next_attempt_at == at + deliver.DELAYS[0]
        smtp_sink.answer = "250 Kept"
        with time_machine.travel(at + deliver.DELAYS[0], tick=False):
            assert deliver_all(app) == 1
    assert only_message(app).state == "sent"
    assert server.taken == []


@pytest.mark.parametrize("is_wrong", [True, False])
def test_a_provider_that_is_away_or_keeps_us_out_costs_one_attempt_and_holds_no_mail_up(
    app: Flask, grace: Any, smtp_sink: SmtpSink, is_wrong: bool
) -> None:
    with running_sms_server("vonage") as server:
        account = server.account
        object.__setattr__(
            account,
            "secret" if is_wrong else "api_url",
            "wrong" if is_wrong else f"http://127.0.0.1:{free_port()}",
        )
        with sending_by(app, account):
            owe_to(app, grace, 3)
            owe(app, 2)
            assert deliver_all(app) == 2
    assert len(smtp_sink.received) == 2
    attempts = sorted(row["attempts"] for row in rows(app, OutboxMessage) if row["channel"] == "sms")
    assert attempts == [0, 0, 1]


def test_a_mail_server_that_is_away_holds_no_sms_up(app: Flask, server: SmsServer, grace: Any) -> None:
    owe(app, 2)
    owe_to(app, grace, 2)
    state = app.extensions["mail"]
    before, state.port = state.port, free_port()
    try:
        assert deliver_all(app) == 2
    finally:
        state.port = before
    assert server.texts == ["Hello 0.", "Hello 1."]


@pytest.mark.parametrize("how", ["slow", "hangs up", "gateway"])
@pytest.mark.parametrize(("may_resend", "state"), [(False, "unconfirmed"), (True, "due")])
def test_an_answer_that_never_comes_leaves_it_unsure(
    app: Flask,
    server: SmsServer,
    grace: Any,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    may_resend: bool,
    state: str,
) -> None:
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 0.3)
    owe_to(app, grace, resend_if_unsure=may_resend)
    if how == "gateway":
        server.answer = (504, b"<html>Gateway time-out</html>")
    server.delay, server.hangs_up = (1.0 if how == "slow" else 0.0), how == "hangs up"
    assert deliver_all(app) == 0
    message = only_message(app)
    assert (message.state, message.resend_if_unsure, message.channel) == (state, False, "sms")
    wait_until(lambda: server.arrived == 1)
    # A receipt may tell in the meantime.
    assert deliver_all(app) == 0
    server.delay, server.hangs_up, server.answer = 0.0, False, None
    with time_machine.travel(now() + deliver.DELAYS[0] + timedelta(seconds=1)):
        settle(app)
        assert deliver_all(app) == (1 if may_resend else 0)
    assert only_message(app).state == ("sent" if may_resend else "unconfirmed")


def test_an_answer_that_comes_a_byte_at_a_time_is_given_up(
    app: Flask, grace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as listening, running_sms_server("twilio") as server:
        server.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        dripping = threading.Thread(target=drip, args=(listening,), daemon=True)
        dripping.start()
        with sending_by(app, server.account):
            owe_to(app, grace)
            began = time.monotonic()
            assert deliver_all(app) == 0
            assert time.monotonic() - began < 3
        dripping.join()
    assert only_message(app).state == "unconfirmed"


def drip(listening: socket.socket) -> None:
    """Answer the first caller with a line that does not end for ten seconds."""
    caller, _ = listening.accept()
    with caller, suppress(OSError):
        caller.sendall(b"HTTP/1.1")
        for _ in range(100):
            caller.sendall(b"a")
            time.sleep(0.1)


def test_a_yes_without_an_id_is_a_yes(app: Flask, server: SmsServer, grace: Any) -> None:
    server.answer = (202, b"not json \xff")
    owe_to(app, grace)
    assert deliver_all(app) == 1
    assert (only_message(app).state, only_message(app).provider_id) == ("sent", None)


def test_an_answer_that_leads_elsewhere_is_not_followed(app: Flask, server: SmsServer, grace: Any) -> None:
    server.answer = (302, {})
    owe_to(app, grace)
    assert deliver_all(app) == 0
    assert server.arrived == 1
    assert only_message(app).state == "due"


def test_an_id_that_the_provider_gives_twice_stops_nothing(app: Flask, server: SmsServer, grace: Any) -> None:
    server.answer = (201, {"sid": "SM1", "message_uuid": "SM1"})
    owe_to(app, grace, 3)
    assert deliver_all(app) == 3
    assert states(app) == ["sent"] * 3


def test_a_number_that_asked_the_provider_for_no_more_is_never_tried_again(
    app: Flask, grace: Any, smtp_sink: SmtpSink
) -> None:
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        server.answer = (400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient"})
        owe_to(app, grace)
        assert deliver_all(app) == 1
        assert contact_row(app, grace)["sms_stopped_at"] is not None
        owe_to(app, grace, 2)
        assert deliver_all(app) == 2
        assert server.arrived == 1
    assert len(smtp_sink.received) == 3


def test_another_number_begins_anew(app: Flask, server: SmsServer, grace: Any) -> None:
    change_contact(app, grace, sms_stopped_at=now())
    with app.app_context(), transaction():
        edit_contact(grace, {"phone": PHONE}, seen_version=1, actor=SYSTEM)
    assert contact_row(app, grace)["sms_stopped_at"] is not None
    with app.app_context(), transaction():
        edit_contact(grace, {"phone": "+34 612 345 679"}, seen_version=1, actor=SYSTEM)
    assert contact_row(app, grace)["sms_stopped_at"] is None


# --- R2, R3: killed with -9 ---


def test_an_sms_does_not_wait_behind_a_long_queue_of_mail(
    app: Flask, server: SmsServer, grace: Any, smtp_sink: SmtpSink
) -> None:
    """Each has a lane of its own, and in each who came first is served first."""
    smtp_sink.delay = 0.2
    owe(app, 20)
    owe_to(app, grace, 3)
    delivering = threading.Thread(target=deliver_all, args=(app,))
    delivering.start()
    wait_until(lambda: len(server.texts) == 3)
    assert len(smtp_sink.received) < 20
    delivering.join()
    assert server.texts == ["Hello 0.", "Hello 1.", "Hello 2."]
    assert [mail["Subject"] for mail in received(smtp_sink)] == [f"Message {each}" for each in range(20)]


@pytest.mark.slow
def test_killed_before_the_hand_over_it_is_sent_once(
    app: Flask, settings: Settings, server: SmsServer, grace: Any
) -> None:
    owe_to(app, grace)
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),
    ):
        # Its queue of one is taken, so that nobody gets in, and nobody is turned away.
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with (
            socket.socket() as second,
            deliverer(settings, more={**server.environment, "SMS_API_URL": url}) as victim,
        ):
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            victim.begin()
            wait_until(lambda: states(app) == ["claimed"])
            victim.kill()
    assert settle(app) == 0
    with time_machine.travel(now() + deliver.CLAIM_LASTS + timedelta(seconds=1)):
        assert settle(app) == 1
        assert deliver_all(app) == 1
    assert server.texts == ["Hello 0."]


@pytest.mark.slow
@pytest.mark.parametrize("may_resend", [False, True])
def test_killed_before_the_answer_it_is_unconfirmed_or_sent_once_more(
    app: Flask, settings: Settings, server: SmsServer, grace: Any, may_resend: bool
) -> None:
    owe_to(app, grace, resend_if_unsure=may_resend)
    server.delay = 2.0
    with deliverer(settings, more=server.environment) as victim:
        victim.begin()
        wait_until(lambda: server.arrived == 1)
        assert states(app) == ["handing_over"]
        victim.kill()
    server.delay = 0.0
    assert settle(app) == 0
    later = now() + deliver.HAND_OVER_LASTS + timedelta(seconds=1)
    with time_machine.travel(later):
        assert settle(app) == 1
        assert deliver_all(app) == 0
    with time_machine.travel(later + deliver.DELAYS[0] + timedelta(seconds=1)):
        assert deliver_all(app) == (1 if may_resend else 0)
        assert settle(app) == 0
    assert states(app) == ["sent" if may_resend else "unconfirmed"]
    assert len(server.texts) == (2 if may_resend else 1)


@pytest.mark.slow
@pytest.mark.race
def test_two_deliverers_send_a_hundred_texts_once_each(
    app: Flask, settings: Settings, server: SmsServer, grace: Any
) -> None:
    owe_to(app, grace, 100)
    with (
        deliverer(settings, more=server.environment) as first,
        deliverer(settings, more=server.environment) as second,
    ):
        first.begin()
        second.begin()
        shares = first.sent(), second.sent()
    assert sum(shares) == 100
    assert min(shares) > 0, "they did not race"
    assert set(Counter(server.texts).values()) == {1}
    assert set(states(app)) == {"sent"}
