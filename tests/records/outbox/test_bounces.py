"""E14: mail that comes back later is read from its notification, and only what names ours is believed."""

from __future__ import annotations

import os
import tempfile
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from lifecycle.config import Settings
from lifecycle.core.db import db, transaction
from lifecycle.governance.messages.bounces import hear_delivery_report
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.delivery_reports import read_delivery_reports
from lifecycle.records.outbox.models import OutboxMessage
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, rows
from tests.factories.consequences import notices
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.reach import contact_row, likes_sms, owe_to
from tests.installation import environment_of
from tests.mail import deliver
from tests.programs import Program

ADDRESS = "grace@client.example"
# As Postfix writes it.
REPORT = """\
Return-Path: <>
From: MAILER-DAEMON@mx.client.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: lifecycle@demo.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B/1"

--B/1
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--B/1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.client.example
X-Postfix-Queue-ID: 4ABC
Arrival-Date: Sat, 28 Nov 2026 09:00:00 +0000 (UTC)

Final-Recipient: rfc822; {to}
Original-Recipient: rfc822;{to}
Action: {action}
Status: {status}
Remote-MTA: dns; mail.client.example
Diagnostic-Code: smtp; {why}

--B/1
Content-Description: Undelivered Message Headers
Content-Type: {kind}

From: lifecycle@demo.example
Message-ID: {message_id}
Subject: Hello

{body}
--B/1--
"""


def report(message_id: str, **given: str) -> bytes:
    values = {
        "to": ADDRESS, "action": "failed", "status": "5.1.1", "why": "550 5.1.1 No such user",
        "kind": "text/rfc822-headers", "body": "", "message_id": message_id,
    }  # fmt: skip
    return REPORT.format(**{**values, **given}).encode()


UNSTORABLE = (
    report("<a\0b@demo.example>"),
    report("<a@demo.example>", to="gra\0ce@client.example"),
    report("<a@demo.example>", to="grace@client.example", why="\0", body="\0"),
)
ENDLESS = (
    report("<a@demo.example>", kind="message/rfc822").replace(
        b"\n\nFrom: lifecycle", b"\n\n" + b"Content-Type: message/rfc822\n\n" * 2000 + b"From: lifecycle"
    ),
    b"Content-Type: multipart/report; boundary=a0\n\n"
    + b"".join(
        b"--a%d\nContent-Type: multipart/mixed; boundary=a%d\n\n" % (at, at + 1) for at in range(2000)
    ),
)


def hear(app: Flask, content: bytes) -> int:
    with app.app_context():
        return sum(hear_delivery_report(each) for each in read_delivery_reports(content))


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, "first: {}\nsecond: {}\n")
    return make_user(app, name="Ana")


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    return a_card(app, ana, account=make_account(app, owner=ana, name="Nordwind"), title="Fibre")


@pytest.fixture
def grace(app: Flask, card: KnownCard) -> Any:
    contact = likes_sms(app, card.account, channel="")
    with app.app_context(), transaction():
        db.session.get_one(Card, card.id).contact_id = contact
    return contact


@pytest.fixture
def sent(app: Flask, grace: Any, card: KnownCard, smtp_sink: Any) -> dict[str, Any]:
    owe_to(app, grace, card_id=card.id)
    assert deliver(app) == 1
    return message(app)


def message(app: Flask) -> dict[str, Any]:
    [row] = rows(app, OutboxMessage)
    return row


def events(app: Flask) -> list[str]:
    kinds = ("card.message.returned", "card.message.delayed")
    return [each["kind"] for each in rows(app, Event) if each["kind"] in kinds]


@pytest.mark.parametrize(
    "more", [{}, {"kind": "message/rfc822", "body": "Hello.\n"}, {"to": "Grace@Client.example"}]
)
def test_a_message_that_came_back_is_failed_and_seen_where_people_look(
    app: Flask, sent: dict[str, Any], card: KnownCard, ana: Person, grace: Any, more: dict[str, str]
) -> None:
    assert hear(app, report(sent["message_id"], **more)) == 1
    assert message(app)["state"] == "failed"
    page = Caller(app, ana)
    said = page.get(f"/messages/{sent['id']}").text
    assert "It came back: 550 5.1.1 No such user" in said
    assert "takes no mail since" in page.get(card.url).text
    assert "came back" in page.get(card.url).text
    assert contact_row(app, grace)["mail_refused_why"] == "550 5.1.1 No such user"
    assert notices(app) == [("Ana", "Grace Hopper: their address takes no mail")]
    # The same again is no news.
    assert hear(app, report(sent["message_id"], **more)) == 0
    assert events(app) == ["card.message.returned"]
    assert len(notices(app)) == 1


def test_what_is_not_about_the_address_leaves_it_alone_and_is_told_once(
    app: Flask, sent: dict[str, Any], grace: Any
) -> None:
    content = report(sent["message_id"], status="5.7.1", why="550 5.7.1 Looks like spam")
    assert [hear(app, content), hear(app, content)] == [1, 0]
    assert message(app)["last_error"] == "It came back: 550 5.7.1 Looks like spam"
    assert contact_row(app, grace)["mail_refused_at"] is None
    assert notices(app) == [("Ana", "“Message 0” to Grace Hopper came back")]


def test_a_delay_is_noted_and_is_no_failure(app: Flask, sent: dict[str, Any], grace: Any) -> None:
    late = report(sent["message_id"], action="delayed", status="4.4.1", why="451 4.4.1 No answer")
    assert [hear(app, late), hear(app, late)] == [1, 0]
    row = message(app)
    assert (row["state"], row["last_error"]) == ("sent", "Delayed: 451 4.4.1 No answer")
    assert events(app) == ["card.message.delayed"]
    assert notices(app) == []
    assert contact_row(app, grace)["mail_refused_at"] is None
    assert hear(app, report(sent["message_id"])) == 1, "it may come back yet"


def test_what_cannot_be_looked_up_is_no_report_of_ours(app: Flask, sent: dict[str, Any]) -> None:
    """A zero byte is none of a Message-ID's or an address's; the database takes none, and is not away."""
    before = message(app)
    assert [hear(app, content) for content in UNSTORABLE] == [0] * len(UNSTORABLE)
    assert message(app) == before
    told = report(sent["message_id"], to="x\0@y.example").replace(
        b"Original-Recipient: rfc822;x\0@y.example", f"Original-Recipient: rfc822;{ADDRESS}".encode()
    )
    assert hear(app, told) == 1, "the other name of the address is right"


@pytest.mark.parametrize("content", ENDLESS, ids=["rfc822", "mixed"])
def test_messages_within_messages_without_end_are_no_report(app: Flask, content: bytes) -> None:
    assert hear(app, content) == 0


def test_what_is_unknown_or_forged_changes_nothing(app: Flask, sent: dict[str, Any], grace: Any) -> None:
    known = sent["message_id"]
    before = message(app), contact_row(app, grace)
    strangers = [
        report("<unknown@demo.example>"),
        report(known, to="somebody@else.example"),
        report(known, action="delivered", status="2.0.0"),
        report(known, action="exploded"),
        report(known).replace(b"message/delivery-status", b"text/plain"),
        report(known).replace(b"Message-ID", b"X-Message-ID"),
        report(known).replace(b"multipart/report", b"multipart/mixed"),
        f"Subject: Re: Hello\n\nIt came back. Message-ID: {known}".encode(),
        b"",
        b"\xff\x00" * 500,
        report(known)[:700],
        report(known).replace(b'boundary="B/1"', b"boundary="),
        b"Content-Type: multipart/report; boundary=a\n\n" + b"--a\n" * 5000,
    ]
    assert [hear(app, content) for content in strangers] == [0] * len(strangers)
    assert (message(app), contact_row(app, grace)) == before
    assert events(app) == []


def test_a_message_that_never_left_does_not_come_back(app: Flask, grace: Any) -> None:
    owe_to(app, grace)
    assert hear(app, report(message(app)["message_id"])) == 0
    assert message(app)["state"] == "due"


def pipe(settings: Settings, content: bytes, **more: str) -> tuple[int, str]:
    """Hand a message to the command as a mail server does, which takes a broken pipe for a failure."""
    environment = {**os.environ, **environment_of(settings), **more}
    reads, writes = Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as said, reads, writes:
        standard = (reads, Path(said.name), Path(os.devnull))
        command = Program("-m", "lifecycle.cli", "mail", "bounce", environment=environment, standard=standard)
        reads.close()  # Now nobody but the command reads, and its end breaks the pipe.
        with os.fdopen(writes.fileno(), "wb", closefd=False) as server:
            server.write(content)
        writes.close()
        return command.wait(120), said.read().decode()


def test_a_mail_server_pipes_it_to_the_command_and_gets_no_failure(
    app: Flask, settings: Settings, sent: dict[str, Any]
) -> None:
    long = report(sent["message_id"], kind="message/rfc822", body="x" * 70 + "\n" + "y" * 9_000_000)
    code, said = pipe(settings, long)
    assert (code, message(app)["state"]) == (0, "failed")
    assert f"Message {sent['message_id']} came back: 550 5.1.1 No such user" in said
    assert pipe(settings, b"Subject: Out of office\n\nI am away.\n")[0] == 0
    # The others are heard in this process, above.
    for hostile in (UNSTORABLE[0], ENDLESS[0]):
        assert pipe(settings, hostile)[0] == 0, "a bounce answered with one goes round for ever"
    away = pipe(settings, report(sent["message_id"]), DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert away[0] == 75, "the mail server is to keep it"
