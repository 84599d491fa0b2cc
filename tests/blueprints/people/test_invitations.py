"""P2: somebody is invited by mail and comes in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.models import User, UserToken
from tests.factories.people import PASSWORD, make_department, make_user
from tests.installation import SmtpSink
from tests.mail import deliver, link_in, received, text_of
from tests.visitor import Visitor, logged_in

GRACE = {"email": "grace@demo.example", "name": "Grace Hopper", "role": "manager"}
ACCEPTANCE = {"name": "Grace B. Hopper", "password": PASSWORD, "time_zone": "America/New_York"}


def invite(app: Flask, sink: SmtpSink, **fields: str) -> str:
    """Invite Grace and return the link she was mailed."""
    admin = logged_in(app, make_user(app, role="admin"))
    answer = admin.send("/users/invitations", page="/users/invitations/new", **{**GRACE, **fields})
    assert answer.status_code == 303, answer.text
    assert deliver(app) == 1
    return link_in(received(sink)[-1], "/invitations/")


def grace(app: Flask) -> User:
    with app.app_context():
        user = db.session.scalars(sa.select(User).where(User.email == GRACE["email"])).one()
        assert user.departments is not None
        return user


def test_an_invited_person_comes_in_with_a_password_of_their_own(app: Flask, smtp_sink: SmtpSink) -> None:
    make_department(app, "sales")
    link = invite(app, smtp_sink, departments="sales")
    message = received(smtp_sink)[0]
    assert message["To"] == "Grace Hopper <grace@demo.example>"
    assert message["Subject"] == "Ada Lovelace invites you to Lifecycle"
    assert "once, for seven days" in text_of(message)

    visitor = Visitor(app)
    page = visitor.open(link)
    assert "Welcome, Grace Hopper" in page.text
    assert visitor.send(link, page=link, **ACCEPTANCE).location == "/"
    assert visitor.is_logged_in()
    user = grace(app)
    assert (user.name, user.role, user.time_zone, user.standing) == (
        "Grace B. Hopper",
        "manager",
        "America/New_York",
        "active",
    )
    assert [department.key for department in user.departments] == ["sales"]


def test_looking_at_a_link_changes_nothing_however_often(app: Flask, smtp_sink: SmtpSink) -> None:
    link = invite(app, smtp_sink)
    scanner = Visitor(app).client
    for _ in range(3):
        assert scanner.get(link).status_code == 200
        assert scanner.head(link).status_code == 200
    assert grace(app).standing == "invited"
    assert Visitor(app).send(link, page=link, **ACCEPTANCE).status_code == 303


def test_a_link_works_once(app: Flask, smtp_sink: SmtpSink) -> None:
    link = invite(app, smtp_sink)
    late = Visitor(app)
    token = late.csrf_token(link)
    assert Visitor(app).send(link, page=link, **ACCEPTANCE).status_code == 303
    again = late.client.post(
        link, data={"csrf_token": token, **ACCEPTANCE, "password": "another long password"}
    )
    assert again.status_code == 404
    assert "no longer valid" in again.text
    assert late.open(link).status_code == 404


def test_of_two_at_once_one_comes_in(app: Flask, smtp_sink: SmtpSink) -> None:
    link = invite(app, smtp_sink)
    visitors = [Visitor(app) for _ in range(4)]
    tokens = [visitor.csrf_token(link) for visitor in visitors]

    def accept(number: int) -> int:
        data = {"csrf_token": tokens[number], **ACCEPTANCE}
        return visitors[number].client.post(link, data=data).status_code

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(accept, range(4))) == [303, 404, 404, 404]


def test_a_link_dies_after_a_week(app: Flask, smtp_sink: SmtpSink) -> None:
    link = invite(app, smtp_sink)
    with time_machine.travel(now() + timedelta(days=7, seconds=1)):
        assert Visitor(app).open(link).status_code == 404


def test_something_wrong_is_said_kept_and_costs_nothing(app: Flask, smtp_sink: SmtpSink) -> None:
    link = invite(app, smtp_sink)
    visitor = Visitor(app)
    for fields, sentence in (
        ({"password": "short"}, "at least 12 characters"),
        ({"password": "Password1234!"}, "among the first that are tried"),
        ({"password": "grace@demo.example"}, "Do not use the email address"),
        ({"password": "x" * 300}, "at most 256 characters"),
        ({"time_zone": "Atlantis"}, "Choose a time zone from the list"),
        ({"name": " \u200b "}, "Enter a name"),
    ):
        answer = visitor.send(link, page=link, **{**ACCEPTANCE, **fields})
        assert answer.status_code == 422, fields
        assert sentence in answer.text
    assert visitor.send(link, page=link, **ACCEPTANCE).status_code == 303


def test_sending_again_kills_the_earlier_link_and_withdrawing_kills_it_too(
    app: Flask, smtp_sink: SmtpSink
) -> None:
    first = invite(app, smtp_sink)
    admin = logged_in(app, make_user(app, role="admin"))
    user = f"/users/{grace(app).id}"
    assert "Sent" in admin.open(user).text
    assert admin.send(f"{user}/invitations", page=user).status_code == 303
    deliver(app)
    second = link_in(received(smtp_sink)[-1], "/invitations/")
    assert first != second
    assert Visitor(app).open(first).status_code == 404
    assert Visitor(app).open(second).status_code == 200

    assert admin.send(f"{user}/invitation-withdrawals", page=user).status_code == 303
    assert Visitor(app).open(second).status_code == 404
    assert grace(app).standing == "withdrawn"
    again = admin.send("/users/invitations", page="/users/invitations/new", **GRACE)
    assert again.status_code == 303
    assert grace(app).standing == "invited"


def test_an_address_is_invited_once(app: Flask, smtp_sink: SmtpSink) -> None:
    invite(app, smtp_sink)
    admin = logged_in(app, make_user(app, role="admin"))
    answer = admin.send(
        "/users/invitations", page="/users/invitations/new", **{**GRACE, "email": "GRACE@demo.example"}
    )
    assert answer.status_code == 422
    assert "was invited already" in answer.text
    assert 'value="Grace Hopper"' in answer.text


def test_the_database_holds_nothing_that_opens(app: Flask, smtp_sink: SmtpSink) -> None:
    token = invite(app, smtp_sink).rpartition("/")[2]
    assert len(token) == 43
    with app.app_context():
        stored = [
            *db.session.scalars(sa.select(UserToken.token_hash)),
            *db.session.scalars(sa.select(OutboxMessage.text_body)),
            *db.session.scalars(sa.select(OutboxMessage.html_body)),
        ]
    assert stored
    assert not [text for text in stored if token in (text or "")]


def test_names_cannot_add_headers_or_markup(app: Flask, smtp_sink: SmtpSink) -> None:
    name = "Eve\r\nBcc: everybody@demo.example\r\n\r\n<script>alert(1)</script>"
    invite(app, smtp_sink, name=name)
    [envelope] = smtp_sink.received
    [message] = received(smtp_sink)
    assert envelope.rcpt_tos == ["grace@demo.example"]
    assert message["Bcc"] is None
    assert "<script>" not in text_of(message, "html")
