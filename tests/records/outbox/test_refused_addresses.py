"""E14: an address that takes no mail is kept with its contact, and its owner hears of it once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.accounts.contacts import edit_contact
from lifecycle.records.cards.models import Card
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import SYSTEM
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, rows
from tests.factories.consequences import notices
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.reach import contact_row, likes_sms, owe_to
from tests.installation import SmtpSink
from tests.mail import deliver as deliver_all

ADDRESS = "grace@client.example"
NO_MAILBOX = "550 5.1.1 No such user here"


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


def test_a_dead_address_fails_the_message_and_is_seen_where_people_look(
    app: Flask, smtp_sink: SmtpSink, grace: Any, card: KnownCard, ana: Person
) -> None:
    smtp_sink.refused[ADDRESS] = NO_MAILBOX
    owe_to(app, grace, card_id=card.id)
    assert deliver_all(app) == 0
    [message] = rows(app, OutboxMessage)
    assert (message["state"], message["attempts"], message["last_error"]) == ("failed", 1, NO_MAILBOX)
    row = contact_row(app, grace)
    assert row["mail_refused_at"] is not None
    page = Caller(app, ana)
    assert "Takes no mail since" in page.get(f"/contacts/{grace}").text
    assert "takes no mail since" in page.get(card.url).text
    assert NO_MAILBOX in page.get(f"/messages/{message['id']}").text
    assert notices(app) == [("Ana", "Grace Hopper: their address takes no mail")]


def test_the_owner_hears_once_however_many_messages_fail(
    app: Flask, smtp_sink: SmtpSink, grace: Any, card: KnownCard
) -> None:
    smtp_sink.refused[ADDRESS] = NO_MAILBOX
    for _ in range(3):
        owe_to(app, grace, 2, card_id=card.id)
        deliver_all(app)
    first = contact_row(app, grace)["mail_refused_at"]
    with time_machine.travel(now() + timedelta(days=3)):
        owe_to(app, grace, card_id=card.id)
        deliver_all(app)
    assert contact_row(app, grace)["mail_refused_at"] == first
    assert len(notices(app)) == 1


@pytest.mark.parametrize(
    ("answer", "is_dead"),
    [
        ("550 No such mailbox", True),
        ("553 5.1.3 Bad address", True),
        ("550 5.2.1 Mailbox disabled", True),
        # Not about the address: our reputation, their quota, a policy, or a no that is not final.
        ("550 5.7.1 Blocked, see our policy", False),
        ("552 5.2.2 Mailbox full", False),
        ("554 5.7.1 Relay access denied", False),
        ("554 Go away", False),
        ("450 4.1.1 Try later", False),
        ("451 Greylisted", False),
    ],
)
def test_only_what_is_about_the_address_is_held_against_it(
    app: Flask, smtp_sink: SmtpSink, grace: Any, answer: str, is_dead: bool
) -> None:
    smtp_sink.refused[ADDRESS] = answer
    owe_to(app, grace)
    deliver_all(app)
    assert (contact_row(app, grace)["mail_refused_at"] is not None) is is_dead


def test_a_refused_message_is_not_held_against_the_address(
    app: Flask, smtp_sink: SmtpSink, grace: Any
) -> None:
    smtp_sink.answer = "550 5.1.1 This text is spam"
    owe_to(app, grace)
    deliver_all(app)
    assert contact_row(app, grace)["mail_refused_at"] is None


def test_another_address_begins_anew(app: Flask, smtp_sink: SmtpSink, grace: Any) -> None:
    smtp_sink.refused[ADDRESS] = NO_MAILBOX
    owe_to(app, grace)
    deliver_all(app)
    with app.app_context(), transaction():
        edit_contact(grace, {"email": "new@client.example"}, seen_version=1, actor=SYSTEM)
    assert contact_row(app, grace)["mail_refused_at"] is None
    # What was still on its way to the old one says nothing about the new one.
    owe_to(app, grace)
    deliver_all(app)
    assert contact_row(app, grace)["mail_refused_at"] is None


def test_an_address_that_takes_mail_again_is_forgiven(app: Flask, smtp_sink: SmtpSink, grace: Any) -> None:
    smtp_sink.refused[ADDRESS] = NO_MAILBOX
    owe_to(app, grace)
    deliver_all(app)
    smtp_sink.refused.clear()
    owe_to(app, grace)
    assert deliver_all(app) == 1
    assert contact_row(app, grace)["mail_refused_at"] is None
