"""P13: what is owed is sent, once, and every message ends in a state that tells."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from redis import Redis

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.records import mailer
from lifecycle.records.outbox import deliver
from lifecycle.records.outbox.compose import cancel_message, send_message
from lifecycle.records.outbox.models import OutboxMessage
from tests.installation import SmtpSink, free_port
from tests.mail import deliver as deliver_all
from tests.mail import received, text_of
from tests.records.outbox.deliverer import only_message, owe, states, wait_until


@contextmanager
def sending_to(app: Flask, port: int) -> Iterator[None]:
    state = app.extensions["mail"]
    before = state.server, state.port
    state.server, state.port = "127.0.0.1", port
    yield
    state.server, state.port = before


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_message_arrives_whole(app: Flask, smtp_sink: SmtpSink) -> None:
    subject = "Überlänge: " + "ein sehr langer Betreff mit Umlauten äöü, " * 4 + "Ende"
    long_line = "wörter " * 400
    with app.app_context(), transaction():
        message = send_message(
            "test",
            to_address="grace@demo.example",
            to_name="Grace Höpper, PhD",
            subject=subject,
            text=f"Hello\n.\n..two dots\n{long_line}\n",
            html=f"<p>{long_line}</p>\n<p>中文</p>",
        )
        message_id = message.message_id
    assert deliver_all(app) == 1
    [envelope] = smtp_sink.received
    [arrived] = received(smtp_sink)
    assert envelope.rcpt_tos == ["grace@demo.example"]
    assert envelope.mail_from == "lifecycle@localhost"
    assert arrived["Subject"] == subject
    assert arrived["To"].addresses[0].display_name == "Grace Höpper, PhD"
    assert arrived["Message-ID"] == message_id
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert text_of(arrived) == f"Hello\n.\n..two dots\n{long_line}\n"
    assert text_of(arrived, "html") == f"<p>{long_line}</p>\n<p>中文</p>"
    assert max(len(line) for line in (envelope.original_content or b"").split(b"\r\n")) <= 998
    message = only_message(app)
    assert (message.state, message.attempts) == ("sent", 1)
    assert message.sent_at


def test_nothing_is_owed_by_a_change_that_was_undone(app: Flask, smtp_sink: SmtpSink) -> None:
    def change_that_fails() -> None:
        with app.app_context(), transaction():
            send_message("test", to_address="a@demo.example", to_name=None, subject="s", text="t", html=None)
            raise LookupError

    with pytest.raises(LookupError):
        change_that_fails()
    assert states(app) == []
    redis: Redis = app.extensions["redis"]
    assert not redis.exists("rq:queue:urgent")


def test_one_job_is_queued_for_many_messages(app: Flask) -> None:
    owe(app, 5)
    redis: Redis = app.extensions["redis"]
    assert redis.llen("rq:queue:urgent") == 1


@pytest.mark.parametrize(
    "address", ["a@b.example\r\nBcc: c@d.example", "a b@c.example", "nobody", "", "a@b.c, d@e.f", "<a@b.c>"]
)
def test_an_address_that_is_more_than_one_is_refused(app: Flask, address: str) -> None:
    with app.app_context(), pytest.raises(Invalid), transaction():
        send_message("test", to_address=address, to_name=None, subject="s", text="t", html=None)


def test_names_and_subjects_stay_on_one_line(app: Flask, smtp_sink: SmtpSink) -> None:
    evil = "Eve\r\nBcc: c@d.example\r\n\r\nbody\u2028more\0"
    with app.app_context(), transaction():
        send_message("test", to_address="a@demo.example", to_name=evil, subject=evil, text="t\0", html=None)
    assert deliver_all(app) == 1
    [arrived] = received(smtp_sink)
    assert arrived["Bcc"] is None
    assert arrived["Subject"] == "Eve Bcc: c@d.example body more"
    assert smtp_sink.received[0].rcpt_tos == ["a@demo.example"]


@pytest.mark.parametrize(
    "name",
    [
        "victim@elsewhere.example, Operations and Billing of the Long Named Wireless Networks Company",
        "Wireless Networks of the North, Ltd. (Operations, Billing and Support), Head of Department",
        "<b>Ana</b> " * 9,
    ],
)
def test_a_long_name_is_one_name_whatever_stands_in_it(app: Flask, smtp_sink: SmtpSink, name: str) -> None:
    """P9, E14: a contact's name is typed by clients too, and must not read as more addresses."""
    _send_named(app, name=name)
    [header] = re.findall(
        rb"(?m)^To: ((?:.*\r\n[ \t])*.*)\r\n", smtp_sink.received[0].original_content or b""
    )
    [(shown, address)] = getaddresses([header.replace(b"\r\n", b"").decode("ascii")])
    assert (str(make_header(decode_header(shown))), address) == (name.strip(), "grace@demo.example")


@pytest.mark.parametrize(
    "subject", ["Maëlle Giraud asks you to fill in “Your company”", "x" * 1200, "Your order, " * 100 + "end"]
)
def test_encoded_words_of_a_subject_stand_apart(app: Flask, smtp_sink: SmtpSink, subject: str) -> None:
    """P13: programs that keep to RFC 2047 show one that touches other text as it is, undecoded."""
    _send_named(app, subject=subject)
    content = smtp_sink.received[0].original_content or b""
    [header] = re.findall(rb"(?m)^Subject: ((?:.*\r\n[ \t])*.*)\r\n", content)
    words = header.decode("ascii").split()
    assert all(re.fullmatch(r"=\?[^?]+\?[bq]\?[^?]+\?=", word) for word in words if "=?" in word), words
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert received(smtp_sink)[0]["Subject"] == subject


def _send_named(app: Flask, *, name: str = "Grace", subject: str = "Hello") -> None:
    with app.app_context(), transaction():
        send_message(
            "test", to_address="grace@demo.example", to_name=name, subject=subject, text="t", html="<p>t</p>"
        )
    assert deliver_all(app) == 1


def test_a_message_held_back_leaves_later_or_not_at_all(app: Flask, smtp_sink: SmtpSink) -> None:
    later = now() + timedelta(seconds=60)
    with app.app_context(), transaction():
        ids = [
            send_message(
                "test",
                to_address="a@demo.example",
                to_name=None,
                subject=word,
                text="t",
                html=None,
                send_after=later,
            ).id
            for word in ("stays", "goes")
        ]
    assert states(app) == ["held", "held"]
    assert deliver_all(app) == 0
    with app.app_context(), transaction():
        assert cancel_message(ids[0])
    with time_machine.travel(later + timedelta(seconds=1)):
        assert deliver_all(app) == 1
    assert [message["Subject"] for message in received(smtp_sink)] == ["goes"]
    assert sorted(states(app)) == ["cancelled", "sent"]
    with app.app_context(), transaction():
        assert not cancel_message(ids[1])


def test_a_server_that_is_busy_is_asked_again_later_and_later(app: Flask, smtp_sink: SmtpSink) -> None:
    owe(app)
    smtp_sink.answer = "451 Try later"
    at = now()
    for number, delay in enumerate(deliver.DELAYS, start=1):
        with time_machine.travel(at, tick=False):
            assert deliver_all(app) == 0
            message = only_message(app)
            assert (message.state, message.attempts) == ("due", number)
            assert message.next_attempt_at == at + delay
            assert message.last_error == "451 Try later"
            # Not before its time.
            assert deliver_all(app) == 0
            assert only_message(app).attempts == number
        at += delay
    with time_machine.travel(at, tick=False):
        deliver_all(app)
    assert only_message(app).state == "failed"
    assert smtp_sink.received == []


def test_a_final_no_is_final(app: Flask, smtp_sink: SmtpSink) -> None:
    owe(app, 2)
    smtp_sink.answer = "550 No such mailbox"
    deliver_all(app)
    assert states(app) == ["failed", "failed"]
    with app.app_context():
        assert set(db.session.scalars(sa.select(OutboxMessage.last_error))) == {"550 No such mailbox"}


def test_one_bad_message_does_not_hold_up_the_others(app: Flask, smtp_sink: SmtpSink) -> None:
    owe(app, 3)
    with app.app_context(), transaction():
        first = db.session.scalars(sa.select(OutboxMessage).order_by(OutboxMessage.id)).first()
        assert first
        # Written by hand past every check.
        first.to_address, first.to_name = "a@b.example\r\nBcc: c@d.example", None
    assert deliver_all(app) == 2
    assert states(app) == ["failed", "sent", "sent"]


def test_a_server_that_is_down_costs_one_attempt_of_one_message(app: Flask) -> None:
    owe(app, 3)
    with sending_to(app, free_port()):
        assert deliver_all(app) == 0
    with app.app_context():
        assert sorted(db.session.scalars(sa.select(OutboxMessage.attempts))) == [0, 0, 1]
    assert states(app) == ["due", "due", "due"]


def test_a_silent_server_is_given_up(app: Flask, silent_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailer, "CONNECT_SECONDS", 0.3)
    owe(app)
    with sending_to(app, silent_server):
        assert deliver_all(app) == 0
    message = only_message(app)
    assert message.state == "due"
    assert "timed out" in (message.last_error or "")


@pytest.mark.parametrize(("may_resend", "state"), [(False, "unconfirmed"), (True, "due")])
def test_an_answer_that_never_comes_leaves_it_unsure(
    app: Flask, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch, may_resend: bool, state: str
) -> None:
    monkeypatch.setattr(mailer, "DATA_SECONDS", 0.3)
    smtp_sink.delay = 1.0
    owe(app, resend_if_unsure=may_resend)
    with app.app_context():
        claimed = deliver._claim(1)
        assert claimed
        with mailer.mail.connect() as connection, pytest.raises(mailer.Unsure) as lost:
            deliver._hand_over(claimed, connection)
        deliver._settle(claimed, lost.value)
    # The server thought about it, and took it.
    wait_until(lambda: len(smtp_sink.received) == 1)
    message = only_message(app)
    assert (message.state, message.resend_if_unsure) == (state, False)
    if not may_resend:
        assert deliver_all(app) == 0
        return
    smtp_sink.delay = 0.0
    assert deliver_all(app) == 1
    assert [arrived["Message-ID"] for arrived in received(smtp_sink)] == [message.message_id] * 2


def test_whoever_lost_a_message_to_another_does_not_send_it(app: Flask, smtp_sink: SmtpSink) -> None:
    owe(app)
    with app.app_context():
        slow = deliver._claim(1)
        assert slow
    with time_machine.travel(now() + deliver.CLAIM_LASTS + timedelta(seconds=1)):
        with app.app_context(), transaction():
            assert deliver.settle_abandoned() == 1
        assert deliver_all(app) == 1
    with app.app_context(), mailer.mail.connect() as connection, pytest.raises(deliver._NotOurs):
        deliver._hand_over(slow, connection)
    assert len(smtp_sink.received) == 1
    assert states(app) == ["sent"]
