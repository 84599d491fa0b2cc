"""`/dev/mailbox`: mail that was not sent anywhere, read safely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from aiosmtpd.controller import Controller
from flask import Flask

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.core.db import transaction
from lifecycle.records.outbox.compose import send_message
from lifecycle.runtime.mailbox import KeepAsFiles, list_messages
from tests.installation import close_connections, free_port
from tests.mail import deliver
from tests.visitor import Visitor

HTML = (
    '<html><head></head><body><script>alert(1)</script><a href="http://localhost/login">In</a></body></html>'
)


@pytest.fixture
def kept(app: Flask, settings: Settings) -> Iterator[str]:
    """The id of a message that the local mailbox keeps."""
    folder = settings.data_dir / "mailbox"
    controller = Controller(KeepAsFiles(folder), hostname="127.0.0.1", port=free_port())
    controller.start()
    state = app.extensions["mail"]
    usual, state.port = state.port, controller.port
    with app.app_context(), transaction():
        send_message(
            "test",
            to_address="grace@demo.example",
            to_name="Grace",
            subject="<b>Hello</b>",
            text="Open http://localhost/login now <script>",
            html=HTML,
        )
    assert deliver(app) == 1
    state.port = usual
    controller.stop()
    yield list_messages(folder)[0].id
    for file in folder.iterdir():
        file.unlink()


def test_a_message_is_listed_and_read(app: Flask, kept: str) -> None:
    visitor = Visitor(app)
    assert "&lt;b&gt;Hello&lt;/b&gt;" in visitor.open("/dev/mailbox").text
    page = visitor.open(f"/dev/mailbox/{kept}")
    assert '<a href="http://localhost/login" rel="noopener">http://localhost/login</a>' in page.text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert "<script>alert" not in page.text


def test_what_somebody_wrote_cannot_run(app: Flask, kept: str) -> None:
    letter = Visitor(app).open(f"/dev/mailbox/{kept}/html")
    policy = letter.headers["Content-Security-Policy"]
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert '<head><base target="_blank">' in letter.text


@pytest.mark.parametrize(
    "message_id", ["nope", "..%2f..%2fetc%2fpasswd", "20260101T000000.000000-00000000", "%00"]
)
def test_made_up_ids_are_not_found(app: Flask, message_id: str) -> None:
    assert Visitor(app).open(f"/dev/mailbox/{message_id}").status_code == 404
    assert Visitor(app).open(f"/dev/mailbox/{message_id}/html").status_code == 404


def test_an_empty_mailbox_says_so(app: Flask) -> None:
    assert "No mail yet" in Visitor(app).open("/dev/mailbox").text


def test_there_is_none_in_production(settings: Settings) -> None:
    production = create_app(replace(settings, environment="production", secret_key="x" * 40))
    assert "mailbox" not in production.blueprints
    close_connections(production)


def test_the_mailbox_is_closed_to_other_machines(app: Flask, kept: str) -> None:
    """Its letters hold links that open accounts; a product on a network must not hand them out."""
    stranger = Visitor(app, address="192.0.2.7")
    assert stranger.open("/dev/mailbox").status_code == 404
    assert stranger.open(f"/dev/mailbox/{kept}").status_code == 404


def test_the_address_that_a_trusted_proxy_tells_is_the_visitors(settings: Settings, kept: str) -> None:
    """One proxy of ours in front: what it adds is believed, so the limits see visitors and not the proxy."""
    proxied, direct = (create_app(replace(settings, trusted_proxies=count)) for count in (1, 0))
    told = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    try:
        assert proxied.test_client().get("/dev/mailbox", headers=told).status_code == 404
        assert "Strict-Transport-Security" in proxied.test_client().get("/login", headers=told).headers
        assert direct.test_client().get("/dev/mailbox", headers=told).status_code == 200
    finally:
        for other in (proxied, direct):
            close_connections(other)


def test_what_the_demo_tells_a_channel_is_kept_beside_the_mail(app: Flask, settings: Settings) -> None:
    """E14: words of anybody stay words, and what is no message changes nothing."""
    folder = settings.data_dir / "mailbox"
    client, url = app.test_client(), "/dev/mailbox/channels/delivery-alerts"
    said = {"data": {"message": {"subject": "<b>Cutover</b>\r\nBcc: x@y.example", "text": "It begins. é"}}}
    assert client.post(url, json=said).status_code == 204
    for broken in (b"", b"{", b"[]", b'{"data": 1}', b"[" * 100_000):
        assert client.post(url, data=broken).status_code == 400
    [kept] = list_messages(folder)
    assert (kept.subject, kept.recipients) == ("<b>Cutover</b> Bcc: x@y.example", ("#delivery-alerts",))
    assert "&lt;b&gt;Cutover&lt;/b&gt;" in Visitor(app).open("/dev/mailbox").text
    assert "It begins. é" in Visitor(app).open(f"/dev/mailbox/{kept.id}").text
    for file in folder.iterdir():
        file.unlink()
