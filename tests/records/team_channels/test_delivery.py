"""E14, R2-R4: what a team's channel is owed leaves as surely as a mail does, once, or says why it cannot."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.config import Settings
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.records.evidence.models import Event
from lifecycle.records.inbox.models import Notice
from lifecycle.records.outbox import deliver
from lifecycle.records.outbox.compose import cancel_message
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.team_channels import configure, kinds
from lifecycle.records.team_channels.models import TeamChannel
from tests.channels import (
    KINDS,
    ChannelServer,
    allowing,
    is_signed,
    running_channel,
    set_up,
    slack_commands,
    slack_texts,
    teams_texts,
    tell_channel,
)
from tests.factories.cards import rows
from tests.factories.people import make_user
from tests.installation import SmtpSink, free_port
from tests.mail import deliver as deliver_all
from tests.records.outbox.deliverer import deliverer, only_message, owe, states, wait_until


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, app: Flask) -> Iterator[ChannelServer]:
    """A server of each kind, that #delivery-alerts leads to."""
    with running_channel(request.param) as server, allowing(app, server.host):
        set_up(app, server)
        yield server


@pytest.fixture
def webhook(app: Flask) -> Iterator[ChannelServer]:
    with running_channel("webhook") as server, allowing(app, server.host):
        set_up(app, server)
        yield server


def channel_row(app: Flask, key: str = "delivery-alerts") -> dict[str, Any]:
    [row] = rows(app, TeamChannel, key=key)
    return row


def settle(app: Flask) -> int:
    with app.app_context(), transaction():
        return deliver.settle_abandoned()


def test_each_kind_is_told_in_its_own_way(app: Flask, server: ChannelServer) -> None:
    tell_channel(app, text="It begins at 22:00. Stand by.\n\nThank you.\n")
    assert deliver_all(app) == 1
    message = only_message(app)
    assert (message.state, message.channel, message.provider) == ("sent", "team", server.kind)
    [said] = server.taken
    if server.kind == "slack":
        assert slack_texts(said)[:3] == [
            "Cutover 0",
            "*Cutover 0*",
            "It begins at 22:00. Stand by.\n\nThank you.",
        ]
        assert slack_commands(said) == ["<http://localhost/cards/1|Open the card>"]
    elif server.kind == "teams":
        assert teams_texts(said) == ["Cutover 0", "It begins at 22:00. Stand by.", "Thank you."]
        [action] = said["attachments"][0]["content"]["actions"]
        assert (action["type"], action["url"]) == ("Action.OpenUrl", "http://localhost/cards/1")
    else:
        assert said["type"] == "card.stage.entered"
        assert said["timestamp"] == message.created_at.isoformat()
        assert said["data"] == {
            "stage": {"name": "Cutover"},
            "message": {"subject": "Cutover 0", "text": "It begins at 22:00. Stand by.\n\nThank you."},
            "link": "http://localhost/cards/1",
        }
        assert server.ids == [str(message.id)]
    row = channel_row(app)
    assert row["last_success_at"] is not None
    assert row["last_failure_at"] is None


HOSTILE = (
    "<!channel> <@U012AB3CD> <#C024BE7LR> <https://evil.example|Log in> [Log in](https://evil.example) "
    "<at>Everyone</at> *bold* & \u202e{{ card.title }}\r\n<!here>"
)


def test_hostile_words_stay_words(app: Flask, server: ChannelServer) -> None:
    tell_channel(app, subject=HOSTILE, text=HOSTILE)
    assert deliver_all(app) == 1
    [said] = server.taken
    if server.kind == "slack":
        # Of all that looks like a command only our own link is one.
        assert slack_commands(said) == ["<http://localhost/cards/1|Open the card>"]
        assert "&lt;!channel&gt; &lt;@U012AB3CD&gt;" in slack_texts(said)[0]
        assert [block["text"]["verbatim"] for block in said["blocks"] if "text" in block] == [True, True]
    elif server.kind == "teams":
        assert any("[Log in](https://evil.example)" in text for text in teams_texts(said))
        assert "msteams" not in said["attachments"][0]["content"]
    else:
        assert said["data"]["message"]["text"].endswith("\n<!here>")


@pytest.mark.parametrize(
    "text", ["One sentence. " * 2000, "word " * 8000, "x" * 40_000, "<&>" * 9000, "я\n" * 9000]
)
def test_a_long_text_is_cut_and_its_link_stays(app: Flask, server: ChannelServer, text: str) -> None:
    tell_channel(app, text=text)
    assert deliver_all(app) == 1
    [said] = server.taken
    if server.kind == "slack":
        assert slack_commands(said) == ["<http://localhost/cards/1|Open the card>"]
        assert slack_texts(said)[2].endswith("…")
        if text.startswith("One"):
            assert slack_texts(said)[2].endswith("sentence.…")
    elif server.kind == "teams":
        assert teams_texts(said)[-1].endswith("…")
        assert said["attachments"][0]["content"]["actions"]
    else:
        assert said["data"]["message"]["text"] == text.strip()


def test_one_that_asks_to_wait_is_not_asked_sooner(app: Flask, server: ChannelServer) -> None:
    server.answer = (429, "rate_limited", {"Retry-After": "120"})
    tell_channel(app, number=3)
    at = now()
    with time_machine.travel(at, tick=False):
        assert deliver_all(app) == 0
        assert deliver_all(app) == 0
    assert server.arrived == 1, "the others wait too"
    assert sorted(states(app)) == ["due"] * 3
    server.answer = None
    with time_machine.travel(at + timedelta(seconds=119), tick=False):
        assert deliver_all(app) == 0
    with time_machine.travel(at + timedelta(seconds=121), tick=False):
        assert deliver_all(app) == 3
    assert server.arrived == 4
    assert channel_row(app)["rests_until"] is None


@pytest.mark.parametrize(
    ("status", "said"), [(400, "invalid_payload"), (403, "action_prohibited"), (404, "no_service")]
)
def test_a_final_no_fails_it_at_once(app: Flask, server: ChannelServer, status: int, said: str) -> None:
    server.answer = (status, f"{said}\n<script>\u202e", {})
    tell_channel(app)
    assert deliver_all(app) == 0
    message = only_message(app)
    assert (message.state, message.attempts) == ("failed", 1)
    assert message.last_error == f"{status} {said} <script>"
    row = channel_row(app)
    assert (row["is_on"], row["last_failure"]) == (True, message.last_error)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_one_is_asked_again_later_and_later_and_then_it_has_failed(
    app: Flask, server: ChannelServer, status: int
) -> None:
    server.answer = (status, "busy", {})
    tell_channel(app)
    at = now()
    for number, delay in enumerate(deliver.DELAYS, start=1):
        with time_machine.travel(at, tick=False):
            assert deliver_all(app) == 0
        message = only_message(app)
        assert (message.state, message.attempts) == ("due", number)
        assert message.next_attempt_at == at + delay
        at += delay
    with time_machine.travel(at, tick=False):
        deliver_all(app)
    assert only_message(app).state == "failed"


def test_an_address_that_leads_elsewhere_is_not_followed(app: Flask, server: ChannelServer) -> None:
    with running_channel("webhook") as other:
        server.answer = (302, "", {"Location": other.address})
        tell_channel(app)
        assert deliver_all(app) == 0
        assert other.arrived == 0
    message = only_message(app)
    assert (message.state, message.last_error) == (
        "failed",
        "302: it leads elsewhere, and nothing is followed.",
    )


def test_one_that_is_gone_is_switched_off_and_administrators_are_told_once(
    app: Flask, server: ChannelServer
) -> None:
    admin = make_user(app, role="admin", name="Ada")
    make_user(app, role="manager")
    server.answer = (410, "channel_is_archived", {})
    tell_channel(app, number=3)
    deliver_all(app)
    assert server.arrived == 1, "the others are not tried any more"
    assert states(app) == ["failed"] * 3
    told = rows(app, Notice)
    assert [(each["user_id"], each["title"].split(" (")[0]) for each in told] == [
        (admin.id, "#delivery-alerts")
    ]
    row = channel_row(app)
    assert (row["is_on"], row["off_because"]) == (False, "The other side says that it is gone.")
    with app.app_context():
        query = sa.select(Event.kind).where(Event.kind.startswith("team_channel.")).order_by(Event.seq)
        kinds_of = db.session.scalars(query)
        assert list(kinds_of) == ["team_channel.created", "team_channel.switched_off"]


def test_slack_says_ok_or_it_was_not_taken(app: Flask) -> None:
    with running_channel("slack") as server, allowing(app, server.host):
        set_up(app, server)
        server.answer = (200, "<html>Please log in to the hotel's network</html>", {})
        tell_channel(app)
        assert deliver_all(app) == 0
    assert only_message(app).state == "failed"


def test_without_such_a_channel_it_says_so_and_goes_once_there_is_one(app: Flask) -> None:
    tell_channel(app, "nobody-listens", 2)
    assert deliver_all(app) == 0
    with app.app_context():
        found = db.session.execute(sa.select(OutboxMessage.state, OutboxMessage.last_error)).all()
    assert {tuple(each) for each in found} == {
        ("failed", "Not sent: no channel #nobody-listens is set up here.")
    }
    # What waits out an undo is judged when it leaves.
    with running_channel("slack") as server, allowing(app, server.host):
        tell_channel(app, send_after=now() + timedelta(seconds=60))
        set_up(app, server)
        with time_machine.travel(now() + timedelta(seconds=61)):
            assert deliver_all(app) == 1
        assert len(server.taken) == 1


def test_one_that_is_switched_off_gets_nothing_until_it_is_on_again(
    app: Flask, webhook: ChannelServer
) -> None:
    channel_id = channel_row(app)["id"]
    with app.app_context(), transaction():
        configure.switch_off(channel_id, actor=SYSTEM)
    tell_channel(app)
    assert deliver_all(app) == 0
    assert only_message(app).last_error == "Not sent: #delivery-alerts is switched off."
    with app.app_context(), transaction():
        configure.switch_on(channel_id, actor=SYSTEM)
    tell_channel(app)
    assert deliver_all(app) == 1


def test_what_is_cancelled_in_time_does_not_leave(app: Flask, server: ChannelServer) -> None:
    tell_channel(app, send_after=now() + timedelta(seconds=60))
    assert deliver_all(app) == 0
    with app.app_context(), transaction():
        assert cancel_message(db.session.scalars(sa.select(OutboxMessage.id)).one())
    with time_machine.travel(now() + timedelta(seconds=61)):
        assert deliver_all(app) == 0
    assert server.arrived == 0


def test_a_cause_owes_one_message(app: Flask, webhook: ChannelServer) -> None:
    for _ in range(3):
        tell_channel(app, cause="firing/1/0/#delivery-alerts")
    assert deliver_all(app) == 1
    assert deliver_all(app) == 0
    assert len(webhook.taken) == 1


# --- secrets


def test_a_replaced_secret_signs_beside_the_new_one_for_a_day(app: Flask, webhook: ChannelServer) -> None:
    old = webhook.secret
    assert old
    with app.app_context(), transaction():
        _, new = configure.rotate_secret(channel_row(app)["id"], actor=SYSTEM)
    assert new != old
    for secret in (old, new):
        webhook.secret = secret
        tell_channel(app)
        assert deliver_all(app) == 1
    with time_machine.travel(now() + timedelta(days=1, minutes=1)):
        webhook.secret = new
        tell_channel(app)
        assert deliver_all(app) == 1
        webhook.secret = old
        tell_channel(app)
        assert deliver_all(app) == 0
    # The reader of these tests agrees with the example of Standard Webhooks.
    example = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    with time_machine.travel(1614265330):
        assert is_signed(example, b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_the_database_holds_neither_address_nor_secret(app: Flask, webhook: ChannelServer) -> None:
    assert webhook.secret
    row = channel_row(app)
    for value in row.values():
        assert webhook.secret not in str(value)
        assert "/hook" not in str(value)
    with app.app_context():
        for body in db.session.scalars(sa.select(Event.canonical)):
            assert webhook.secret not in body
            assert "/hook" not in body


# --- where nothing may go


@pytest.mark.parametrize(
    "host",
    ["localhost", "[::1]", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0"],
)
def test_a_private_address_is_not_connected_to_however_it_is_written(
    app: Flask, webhook: ChannelServer, host: str
) -> None:
    """The address was taken while it was allowed, or leads there only now: the connection is what counts."""
    port = webhook.host.partition(":")[2]
    with allowing(app, host.strip("[]"), f"{host}:{port}"), app.app_context(), transaction():
        configure.replace_address(channel_row(app)["id"], address=f"http://{host}:{port}/hook", actor=SYSTEM)
    tell_channel(app)
    assert deliver_all(app) == 0
    assert webhook.arrived == 0
    message = only_message(app)
    assert message.state == "failed"
    assert (message.last_error or "").startswith("It leads into a private network")


def test_a_name_that_leads_inside_by_now_is_refused_at_the_connection(
    app: Flask, webhook: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up may answer differently each time: what is connected to is what was looked at."""
    inside = ("127.0.0.1", int(webhook.host.partition(":")[2]))
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", inside)]
    with app.app_context(), transaction():
        configure.replace_address(
            channel_row(app)["id"], address="https://rebinding.example/hook", actor=SYSTEM
        )
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: answers)
    tell_channel(app)
    assert deliver_all(app) == 0
    assert webhook.arrived == 0
    assert only_message(app).state == "failed"


@pytest.mark.parametrize("host", ["2606:4700::abcd", "2606:4700::1111"])
def test_the_end_of_a_long_address_is_no_port(
    app: Flask, webhook: ChannelServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """The host and port that are looked up are those of the address as an administrator reads it."""
    asked: list[tuple[object, ...]] = []

    def look_up(*args: object, **_more: object) -> list[Any]:
        asked.append(args)
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 443, 0, 0))]

    with app.app_context(), transaction():
        configure.replace_address(channel_row(app)["id"], address=f"https://[{host}]/hook", actor=SYSTEM)
    tell_channel(app)
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", look_up)
        assert deliver_all(app) == 0
    assert asked == [(host, 443)]
    assert only_message(app).state == "failed"


@pytest.mark.parametrize("host", ["[fec0::1]", "192.0.0.192", "[64:ff9b::c000:c0]"])
def test_what_is_a_network_s_own_is_not_public(app: Flask, host: str) -> None:
    """Site-local addresses, and what a cloud keeps for its own machines beside 169.254.169.254."""
    with app.app_context(), pytest.raises(Invalid, match="leads into a private network"):
        configure.create_channel(
            key="inside", name="Inside", kind="webhook", address=f"https://{host}/hook", actor=SYSTEM
        )


# --- who is away, slow or killed


def test_one_that_is_away_costs_one_attempt_and_delays_nobody(
    app: Flask, webhook: ChannelServer, smtp_sink: SmtpSink
) -> None:
    with running_channel("slack") as away, allowing(app, away.host, f"127.0.0.1:{(port := free_port())}"):
        away.url = f"http://127.0.0.1:{port}"
        set_up(app, away, "away")
    tell_channel(app, "away", 3)
    owe(app, 2)
    tell_channel(app)
    with allowing(app, f"127.0.0.1:{port}"):
        assert deliver_all(app) == 3
        assert deliver_all(app) == 0
    assert len(smtp_sink.received) == 2
    assert len(webhook.taken) == 1
    assert sorted(row["attempts"] for row in rows(app, OutboxMessage, team_key="away")) == [0, 0, 1]


def test_a_slow_channel_delays_neither_mail_nor_another_channel(
    app: Flask, webhook: ChannelServer, smtp_sink: SmtpSink
) -> None:
    webhook.delay = 3.0
    with running_channel("slack") as quick, allowing(app, quick.host):
        set_up(app, quick, "quick")
        tell_channel(app)
        owe(app, 20)
        tell_channel(app, "quick", 5)
        done = threading.Thread(target=deliver_all, args=(app,))
        began = time.monotonic()
        done.start()
        wait_until(lambda: len(smtp_sink.received) == 20 and len(quick.taken) == 5)
        assert time.monotonic() - began < 3.0
        done.join()
    assert set(states(app)) == {"sent"}


def test_each_lane_is_first_come_first_served(app: Flask, webhook: ChannelServer) -> None:
    tell_channel(app, number=12)
    assert deliver_all(app) == 12
    subjects = [said["data"]["message"]["subject"] for said in webhook.taken]
    assert subjects == [f"Cutover {each}" for each in range(12)]


def test_an_answer_that_is_lost_is_asked_for_once_more_only_where_doubles_are_known(
    app: Flask, server: ChannelServer
) -> None:
    server.hangs_up = True
    tell_channel(app)
    at = now()
    with time_machine.travel(at, tick=False):
        assert deliver_all(app) == 0
    message = only_message(app)
    if server.kind != "webhook":
        assert (message.state, message.attempts) == ("unconfirmed", 1)
        with time_machine.travel(at + timedelta(days=1)):
            assert deliver_all(app) == 0
        assert server.arrived == 1
        return
    assert (message.state, message.next_attempt_at) == ("due", at + timedelta(seconds=30))
    with time_machine.travel(at + timedelta(seconds=31)):
        assert deliver_all(app) == 0
    assert only_message(app).state == "unconfirmed"
    assert server.ids == [str(message.id)] * 2


def test_however_many_addresses_a_name_has_they_have_the_time_of_one(
    app: Flask, webhook: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who answers for the name says how many there are, and the turn of mail waits for this lane to end."""
    monkeypatch.setattr(kinds, "CONNECT_SECONDS", 0.3)
    tell_channel(app)
    with ExitStack() as full:
        listener = full.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # Nobody takes these off the queue, so that whoever comes next is left standing.
        for _ in range(2):
            waiting = full.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname())] * 20
        with monkeypatch.context() as patched:
            patched.setattr("lifecycle.records.team_channels.addresses._look_up", lambda *_: answers)
            begun = time.monotonic()
            assert deliver_all(app) == 0
    assert time.monotonic() - begun < 3
    message = only_message(app)
    assert (message.state, message.attempts) == ("due", 1)


def test_one_that_takes_it_and_thinks_too_long_leaves_it_unsure(
    app: Flask, server: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "ANSWER_SECONDS", 0.3)
    server.delay = 1.0
    tell_channel(app)
    assert deliver_all(app) == 0
    assert only_message(app).state == ("due" if server.kind == "webhook" else "unconfirmed")
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    "day",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 30 Nov 2026 00:00:00 +99999999999999999999",
    ],
)
def test_no_day_to_wait_for_is_too_far_away_to_be_read(
    app: Flask, webhook: ChannelServer, smtp_sink: SmtpSink, day: str
) -> None:
    """It was answered, so it is known what became of it; and nobody else's messages wait for that answer."""
    webhook.answer = (503, "", {"Retry-After": day})
    tell_channel(app)
    owe(app, 1)
    assert deliver_all(app) == 1
    [told] = rows(app, OutboxMessage, channel="team")
    assert (told["state"], told["attempts"]) == ("due", 1)
    assert told["last_error"].startswith("503")


def test_a_fault_in_one_lane_is_raised_when_the_others_are_done(
    app: Flask, webhook: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours is a failed job, and keeps nobody else's messages from leaving."""

    def broken(*_args: object) -> None:
        raise OverflowError("a fault of ours")

    monkeypatch.setattr(kinds.Webhook, "require_yes", broken)
    monkeypatch.setattr(deliver, "MOST_TEAMS_AT_ONCE", 1)
    with running_channel("slack") as quick, allowing(app, quick.host):
        set_up(app, quick, "quick")
        tell_channel(app)
        tell_channel(app, "quick", 3)
        with pytest.raises(OverflowError):
            deliver_all(app)
        assert len(quick.taken) == 3


def _elsewhere(server: ChannelServer) -> dict[str, str]:
    return {"CHANNEL_HOSTS_ALLOWED": server.host}


@pytest.mark.slow
def test_killed_before_the_answer_it_is_unconfirmed_or_sent_once_more_under_the_same_id(
    app: Flask, settings: Settings, server: ChannelServer
) -> None:
    tell_channel(app)
    server.delay = 2.0
    with deliverer(settings, more=_elsewhere(server)) as victim:
        victim.begin()
        wait_until(lambda: server.arrived == 1)
        assert states(app) == ["handing_over"]
        victim.kill()
    server.delay = 0.0
    assert settle(app) == 0
    at = now() + deliver.HAND_OVER_LASTS + timedelta(seconds=1)
    with time_machine.travel(at):
        assert settle(app) == 1
    is_again = server.kind == "webhook"
    with time_machine.travel(at + timedelta(seconds=31)):
        assert deliver_all(app) == (1 if is_again else 0)
    assert states(app) == ["sent" if is_again else "unconfirmed"]
    assert len(server.taken) == (2 if is_again else 1)
    if is_again:
        assert len(set(server.ids)) == 1


@pytest.mark.slow
@pytest.mark.race
def test_two_deliverers_tell_a_hundred_things_once_each(
    app: Flask, settings: Settings, webhook: ChannelServer
) -> None:
    tell_channel(app, number=100)
    with ExitStack() as stack:
        both = [stack.enter_context(deliverer(settings, more=_elsewhere(webhook))) for _ in range(2)]
        for each in both:
            each.begin()
        shares = [each.sent() for each in both]
    assert sum(shares) == 100
    assert min(shares) > 0, "they did not race"
    assert set(Counter(webhook.ids).values()) == {1}
    assert set(states(app)) == {"sent"}
