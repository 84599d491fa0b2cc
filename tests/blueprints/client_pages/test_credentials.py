"""W13, P3, P9: credentials by a link that works once, after a mailed code; encrypted at rest, then gone."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobs.people import forget_secrets
from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.accounts.models import Contact
from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.work.client_requests.models import ClientSecret
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, rows
from tests.factories.clients import a_contact
from tests.factories.consequences import follow_through
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.reach import PHONE, change_contact
from tests.mail import received, text_of
from tests.sms import running_sms_server, sending_by

PASSWORD = "correct horse <b> {{ 7*7 }} battery"


class Receiver:
    """A contact with the link to a secret."""

    def __init__(self, app: Flask, sink: Any) -> None:
        self.app, self.sink = app, sink
        letters = [text_of(letter) for letter in received(sink)]
        self.path = [path for text in letters for path in re.findall(r"/s/[\w-]+", text)][-1]
        self.browser: FlaskClient = app.test_client()

    def press(self, act: str, **fields: str) -> TestResponse:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.browser.get(self.path).text)
        assert token
        return self.browser.post(f"{self.path}/{act}", data={"csrf_token": token[1], **fields})

    def code(self) -> str:
        assert self.press("codes").status_code == 303
        follow_through(self.app)
        found = re.search(r"^(\d{6})$", text_of(received(self.sink)[-1]), flags=re.MULTILINE)
        assert found
        return found[1]


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, "first: {}")
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person, smtp_sink: Any) -> KnownCard:
    return a_card(app, ana, account=make_account(app, owner=ana, name="Nordwind"))


@pytest.fixture
def tim(app: Flask, ana: Person, card: KnownCard, smtp_sink: Any) -> Receiver:
    contact = a_contact(app, card.account, "Tim", email="tim@client.example")
    given = {"contact": str(contact), "title": "Your log-in", "text": PASSWORD}
    assert Caller(app, ana).post(f"/cards/{card.id}/credentials", **given).status_code < 400
    follow_through(app)
    return Receiver(app, smtp_sink)


def test_they_are_shown_once_after_a_code_and_are_nowhere_in_clear(
    app: Flask, card: KnownCard, ana: Person, tim: Receiver, smtp_sink: Any
) -> None:
    assert all("horse" not in text_of(letter) for letter in received(smtp_sink))
    assert "horse" not in Caller(app, ana).get(f"/cards/{card.id}/credentials").text
    with app.app_context():
        tables = db.session.scalars(
            sa.text("select tablename from pg_tables where schemaname = 'public'")
        ).all()
        for table in set(tables) - {"alembic_version"}:
            count = db.session.scalar(sa.text(f"select count(*) from {table} t where t::text like '%horse%'"))
            assert count == 0, table
    for _ in range(3):
        assert "horse" not in tim.browser.get(tim.path).text
        assert tim.browser.head(tim.path).status_code == 200
    shown = tim.press("views", code=tim.code())
    assert "correct horse &lt;b&gt; {{ 7*7 }} battery" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert tim.browser.get(tim.path).status_code == 404
    assert rows(app, ClientSecret)[0]["sealed"] is None
    with app.app_context():
        query = sa.select(Event.kind).where(Event.kind.like("card.secret.%")).order_by(Event.at, Event.seq)
        assert list(db.session.scalars(query)) == ["card.secret.sent", "card.secret.viewed"]
    assert "Seen" in Caller(app, ana).get(f"/cards/{card.id}/credentials").text


def test_nobody_here_gets_a_code_that_was_mailed_to_a_client(
    app: Flask, card: KnownCard, ana: Person, tim: Receiver, smtp_sink: Any
) -> None:
    """What stands for it while the letter waits would be filled in wherever somebody wrote it again."""
    code = tim.code()
    [mailed] = rows(app, OutboxMessage, kind="client_code")
    page = Caller(app, ana).get(f"/messages/{mailed['id']}").text
    place = re.search(r"\[\[code:[^\]]*\]\]", page)
    if place:
        own = a_contact(app, card.account, "Mallory", email="mallory@client.example")
        given = {"contact": str(own), "title": unescape(place[0]), "text": "x"}
        Caller(app, ana).post(f"/cards/{card.id}/credentials", **given)
        follow_through(app)
        assert code not in text_of(received(smtp_sink)[-1])
    assert place is None
    assert "[code]" in page


def test_lines_and_backslashes_are_shown_as_they_were_written(
    app: Flask, card: KnownCard, ana: Person, tim: Receiver, smtp_sink: Any
) -> None:
    contact = rows(app, ClientSecret)[0]["contact_id"]
    # A browser sends the ends of lines as CR LF; what looks like them to a program is part of a password.
    given = {"contact": str(contact), "title": "Shares", "text": "user: ana\r\npassword: a\\r\\nb\\n"}
    Caller(app, ana).post(f"/cards/{card.id}/credentials", **given)
    follow_through(app)
    again = Receiver(app, smtp_sink)
    assert "user: ana\npassword: a\\r\\nb\\n<" in again.press("views", code=again.code()).text


def test_without_the_right_code_they_stay_shut(app: Flask, tim: Receiver) -> None:
    code = tim.code()
    wrong = "000000" if code != "000000" else "111111"
    for typed in ("", wrong, wrong, wrong, wrong):
        refused = tim.press("views", code=typed)
        assert refused.status_code == 422
        assert "horse" not in refused.text
    assert tim.press("views", code=code).status_code == 422, "five attempts are all there are"
    assert "horse" in tim.press("views", code=tim.code()).text


def test_of_two_who_press_at_once_one_sees_them(app: Flask, tim: Receiver) -> None:
    code = tim.code()
    token = re.search(r'name="csrf_token" value="([^"]+)"', tim.browser.get(tim.path).text)
    assert token
    cookies = tim.browser.get_cookie("session")
    assert cookies
    answers: list[str] = []

    def press() -> None:
        browser = app.test_client()
        browser.set_cookie("session", cookies.value)
        data = {"csrf_token": token[1], "code": code}
        answers.append(browser.post(f"{tim.path}/views", data=data).text)

    pressing = [threading.Thread(target=press) for _ in range(4)]
    for each in pressing:
        each.start()
    for each in pressing:
        each.join()
    assert sum("horse" in text for text in answers) == 1


def test_taken_back_or_never_fetched_they_are_gone(
    app: Flask, card: KnownCard, ana: Person, tim: Receiver
) -> None:
    (secret,) = rows(app, ClientSecret)
    staff = Caller(app, ana)
    assert staff.post(f"/cards/{card.id}/credentials/{secret['id']}/revocations").status_code < 400
    assert tim.browser.get(tim.path).status_code == 404
    assert rows(app, ClientSecret)[0]["sealed"] is None
    contact = str(secret["contact_id"])
    staff.post(f"/cards/{card.id}/credentials", contact=contact, title="Again", text="other")
    with time_machine.travel(now() + timedelta(days=8)), app.app_context():
        assert forget_secrets() == 1
    assert [row["sealed"] for row in rows(app, ClientSecret)] == [None, None]


def test_they_go_to_a_contact_of_the_account_only_and_viewers_send_none(
    app: Flask, card: KnownCard, ana: Person
) -> None:
    stranger = a_contact(app, make_account(app, name="Südwind"), "Otto", email="otto@other.example")
    given = {"contact": str(stranger), "title": "Log-in", "text": "x"}
    refused = Caller(app, ana).post(f"/cards/{card.id}/credentials", "page", **given)
    assert refused.status_code == 422
    assert "Choose a contact of this account" in refused.text
    viewer = Caller(app, make_user(app, role="viewer"))
    assert viewer.post(f"/cards/{card.id}/credentials", **given).status_code == 403
    assert rows(app, ClientSecret) == []


def test_a_code_comes_by_mail_at_once_whatever_they_prefer(app: Flask, tim: Receiver) -> None:
    """E14: beside a link by SMS, a code by SMS would prove nothing more, and they wait for it."""
    [contact] = rows(app, Contact)
    around = {
        "quiet_from": f"{now() - timedelta(hours=1):%H:%M}",
        "quiet_until": f"{now() + timedelta(hours=1):%H:%M}",
    }
    change_contact(app, contact["id"], phone=PHONE, channel="sms", time_zone="UTC", **around)
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        assert re.fullmatch(r"\d{6}", tim.code())
        assert server.arrived == 0
