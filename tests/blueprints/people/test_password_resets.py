"""P2: a forgotten password."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.outbox.models import OutboxMessage
from tests.factories.people import Person, make_user
from tests.installation import SmtpSink
from tests.mail import deliver, link_in, received
from tests.visitor import Visitor, logged_in

NEW = "an even longer and wider river"


def ask(app: Flask, sink: SmtpSink, person: Person) -> str:
    answer = Visitor(app).send("/password-resets", page="/password-resets", email=person.email)
    assert answer.status_code == 200
    assert deliver(app) == 1
    return link_in(received(sink)[-1], "/password-resets/")


def test_the_link_sets_a_new_password_once_and_signs_out_everywhere(app: Flask, smtp_sink: SmtpSink) -> None:
    person = make_user(app)
    elsewhere = logged_in(app, person)
    link = ask(app, smtp_sink, person)
    visitor = Visitor(app)
    assert visitor.send(link, page=link, password=NEW).location == "/"
    assert visitor.is_logged_in()
    assert not elsewhere.is_logged_in()
    assert Visitor(app).log_in(person).status_code == 422
    assert Visitor(app).log_in(person, NEW).status_code == 303
    assert Visitor(app).open(link).status_code == 404
    assert deliver(app) == 1
    assert received(smtp_sink)[-1]["Subject"] == "Your password was changed"


def test_the_answer_is_the_same_whether_or_not_the_address_is_known(app: Flask, smtp_sink: SmtpSink) -> None:
    known = make_user(app).email
    invited = make_user(app, password=None).email
    gone = make_user(app, is_active=False).email
    texts = set()
    for email in (known, invited, gone, "nobody@demo.example"):
        answer = Visitor(app).send("/password-resets", page="/password-resets", email=email)
        assert answer.status_code == 200
        texts.add(answer.text.replace(email, "").split("<main")[1])
    assert len(texts) == 1
    deliver(app)
    assert [envelope.rcpt_tos for envelope in smtp_sink.received] == [[known]]


def test_looking_at_the_link_changes_nothing(app: Flask, smtp_sink: SmtpSink) -> None:
    person = make_user(app)
    link = ask(app, smtp_sink, person)
    for _ in range(3):
        Visitor(app).client.head(link)
        assert Visitor(app).open(link).status_code == 200
    assert Visitor(app).log_in(person).status_code == 303


def test_the_link_dies_after_an_hour_and_when_another_is_asked_for(app: Flask, smtp_sink: SmtpSink) -> None:
    person = make_user(app)
    first = ask(app, smtp_sink, person)
    second = ask(app, smtp_sink, person)
    assert Visitor(app).open(first).status_code == 404
    assert Visitor(app).open(second).status_code == 200
    with time_machine.travel(now() + timedelta(hours=1, seconds=1)):
        gone = Visitor(app).open(second)
    assert gone.status_code == 404
    assert "Ask for a new link" in gone.text


def test_a_weak_password_is_refused_and_the_link_stays_good(app: Flask, smtp_sink: SmtpSink) -> None:
    person = make_user(app)
    link = ask(app, smtp_sink, person)
    visitor = Visitor(app)
    assert visitor.send(link, page=link, password="aaaaaaaaaaaaaaaa").status_code == 422
    assert visitor.send(link, page=link, password=NEW).status_code == 303


def test_a_reset_ends_a_lock_out(app: Flask, smtp_sink: SmtpSink) -> None:
    person = make_user(app)
    visitor = Visitor(app)
    for _ in range(10):
        visitor.log_in(person, "wrong")
    link = ask(app, smtp_sink, person)
    assert Visitor(app).send(link, page=link, password=NEW).status_code == 303
    assert Visitor(app).log_in(person, NEW).status_code == 303


@pytest.mark.parametrize("token", ["nope", "x" * 3000, "%00", "..%2f..", "é"])
def test_made_up_links_open_nothing(app: Flask, token: str) -> None:
    for path in ("/password-resets/", "/invitations/"):
        assert Visitor(app).open(path + token).status_code == 404


def test_one_address_is_not_flooded_with_mail(app: Flask, smtp_sink: SmtpSink) -> None:
    person = make_user(app)
    statuses = [
        Visitor(app, f"10.2.0.{number}")
        .send("/password-resets", page="/password-resets", email=person.email.upper())
        .status_code
        for number in range(1, 8)
    ]
    assert statuses == [200] * 5 + [429] * 2
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(OutboxMessage)) == 5
