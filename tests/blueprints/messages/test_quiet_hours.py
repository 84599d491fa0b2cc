"""E14, E27: a message that waits out quiet hours says so everywhere, and may be sent all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.models import OutboxMessage
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, moved, rows
from tests.factories.clients import Client, a_contact, publish_gates, request_of
from tests.factories.consequences import perform
from tests.factories.people import Person, make_user
from tests.factories.reach import change_contact
from tests.installation import SmtpSink
from tests.mail import deliver as deliver_all
from tests.mail import received

NIGHT = (datetime.now(UTC) + timedelta(days=1)).replace(hour=23, minute=0, second=0, microsecond=0)
MORNING = NIGHT + timedelta(hours=8)
QUIET = {"time_zone": "Africa/Lagos", "quiet_from": "22:00", "quiet_until": "08:00"}


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_gates(app)
    return make_user(app, name="Ana", role="manager")


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind")
    contact = a_contact(app, account)
    change_contact(app, contact, **QUIET)
    return a_card(app, ana, account=account, title="Fibre")


@pytest.fixture
def waiting(app: Flask, ana: Person, card: KnownCard) -> dict[str, Any]:
    """A request that was asked at night, its minute of undo over."""
    with time_machine.travel(NIGHT, tick=False):
        moved(app, card, "terms", ana)
        perform(app)
    with time_machine.travel(NIGHT + timedelta(minutes=2), tick=False):
        assert deliver_all(app) == 0
    [message] = rows(app, OutboxMessage)
    return message


def test_every_page_says_until_when_it_waits_and_why(
    app: Flask, ana: Person, card: KnownCard, waiting: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    with time_machine.travel(NIGHT + timedelta(minutes=2), tick=False):
        page = Caller(app, ana)
        request = request_of(app, card, "terms")["id"]
        for address in (
            f"/messages/{waiting['id']}",
            f"/messages?card={card.id}",
            card.url,
            f"/client-gates/{request}",
        ):
            text = unescape(page.get(address).text)
            assert "aits until" in text, address
            assert "08:00 in their zone" in text, address
            assert "uiet hours" in text, address


def test_a_person_may_send_it_now(
    app: Flask, ana: Person, waiting: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    with time_machine.travel(NIGHT + timedelta(minutes=2), tick=False):
        page = Caller(app, ana)
        address = f"/messages/{waiting['id']}"
        assert "Send it now" in page.get(address).text
        assert page.post(f"{address}/departures", "page").status_code == 303
        assert deliver_all(app) == 1
        assert "Send it now" not in page.get(address).text
        # Too late a second time, and on record once.
        assert "left already" in page.client.get(page.post(f"{address}/departures", "page").location).text
    assert len(smtp_sink.received) == 1
    assert [event["kind"] for event in rows(app, Event)].count("card.message.hurried") == 1


def test_sending_now_does_not_shorten_the_minute_of_undo(
    app: Flask, ana: Person, card: KnownCard, smtp_sink: SmtpSink
) -> None:
    with time_machine.travel(NIGHT, tick=False):
        moved(app, card, "terms", ana)
        perform(app)
        [message] = rows(app, OutboxMessage)
        assert Caller(app, ana).post(f"/messages/{message['id']}/departures", "page").status_code == 303
        assert deliver_all(app) == 0
    with time_machine.travel(NIGHT + timedelta(seconds=61), tick=False):
        assert deliver_all(app) == 1


def test_who_may_only_look_cannot_send_it_now(
    app: Flask, waiting: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    viewer = Caller(app, make_user(app, role="viewer"))
    with time_machine.travel(NIGHT + timedelta(minutes=2), tick=False):
        assert viewer.post(f"/messages/{waiting['id']}/departures").status_code == 403
        assert "Send it now" not in viewer.get(f"/messages/{waiting['id']}").text
        assert deliver_all(app) == 0


def test_what_somebody_holds_is_not_sent_by_that(
    app: Flask, ana: Person, waiting: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    page, address = Caller(app, ana), f"/messages/{waiting['id']}"
    with time_machine.travel(NIGHT + timedelta(minutes=2), tick=False):
        page.post(f"{address}/holds", "page")
        page.post(f"{address}/departures", "page")
        assert deliver_all(app) == 0


def test_a_new_link_that_the_client_asks_for_at_night_comes_at_night(
    app: Flask, ana: Person, card: KnownCard, waiting: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    client = Client.of(app, card, "terms")
    with time_machine.travel(MORNING, tick=False):
        assert deliver_all(app) == 1
    with time_machine.travel(NIGHT + timedelta(days=100), tick=False):
        assert client.send("renewals").status_code in (200, 303)
        assert deliver_all(app) == 1
    assert len(received(smtp_sink)) == 2
