"""The fixtures that other tests stand on."""

from __future__ import annotations

import smtplib

import psycopg
import pytest
import redis
from flask.testing import FlaskClient
from playwright.sync_api import Page

from tests.installation import Addresses, SmtpSink


@pytest.mark.parametrize("turn", ["first", "second"])
def test_what_a_test_commits_is_gone_for_the_next(services: Addresses, turn: str) -> None:
    with psycopg.connect(services.owner) as owner:
        found = owner.execute("select count(*) from departments where key = 'fixture'").fetchone()
        assert found == (0,)
        owner.execute("insert into departments (key, name) values ('fixture', 'Fixture')")
    client = redis.Redis.from_url(services.redis)
    assert client.get("turn") is None
    client.set("turn", turn)
    client.close()


def test_the_sink_receives_mail_over_smtp(smtp_sink: SmtpSink) -> None:
    host, port = smtp_sink.url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port), timeout=5) as server:
        server.sendmail("a@demo.example", ["b@demo.example"], "Subject: hello\r\n\r\nhello")
    assert [envelope.rcpt_tos for envelope in smtp_sink.received] == [["b@demo.example"]]


def test_the_application_answers(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.browser
def test_a_browser_reaches_the_real_server(page: Page) -> None:
    response = page.goto("/healthz")
    assert response is not None
    assert response.ok
