"""E8: all gates of every customer side by side, and staff's list of them by age."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.work.client_requests.models import ClientRequest
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, make_account, moved
from tests.factories.clients import Client, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through
from tests.factories.people import make_user
from tests.factories.statements import statements


def test_e8_every_gate_of_every_customer_stands_in_one_overview(app: Flask, smtp_sink: Any) -> None:
    publish_gates(app)
    ana = make_user(app, role="manager", departments=["bench"])
    caller = Caller(app, ana)
    assert "Nobody has come to a gate yet" in caller.get("/client-gates/overview").text
    for name, goes_on in (("Nordwind", True), ("Südwind", False)):
        account = make_account(app, owner=ana, name=name)
        a_contact(app, account, rights=["signatory"])
        card = a_card(app, ana, account=account, fields={"price": "120"})
        moved(app, card, "terms", ana)
        follow_through(app)
        if goes_on:
            client = Client.of(app, card, "terms")
            client.open()
            client.accept()
            follow_through(app)
    page = caller.get("/client-gates/overview").text
    head, *rows = page.split("<tr>")[1:]
    assert head.index("Terms") < head.index("Order")
    by_name = {name: row for row in rows for name in ("Nordwind", "Südwind") if name in row}
    assert "Accepted" in by_name["Nordwind"]
    assert "Sent" in by_name["Nordwind"]
    assert by_name["Südwind"].count("\u2013") == 1, "its order was not asked for yet"
    for row, name in (({"withdrawn_at": now()}, "Südwind"), ({"archived_at": now()}, "Nordwind")):
        with app.app_context(), transaction():
            named = sa.select(Account.id).where(Account.name == name)
            db.session.execute(sa.update(Card).where(Card.account_id.in_(named)).values(**row))
        assert name not in caller.get("/client-gates/overview").text.partition("<table")[2]
    with app.app_context(), transaction():
        db.session.execute(sa.update(Card).values(withdrawn_at=None, archived_at=None))
    with statements(app) as sent:
        caller.get("/client-gates/overview")
    for _ in range(5):
        account = make_account(app, owner=ana)
        a_contact(app, account, rights=["signatory"])
        moved(app, a_card(app, ana, account=account), "terms", ana)
    with statements(app) as more:
        caller.get("/client-gates/overview")
    assert len(more) == len(sent)
    assert caller.get("/client-gates/overview?playbook=none&page=zzz").status_code == 200


def test_pressing_remind_again_and_again_sends_one_message(app: Flask, smtp_sink: Any) -> None:
    publish_gates(app)
    ana = make_user(app, role="manager", departments=["bench"])
    account = make_account(app, owner=ana)
    a_contact(app, account, rights=["signatory"])
    card = a_card(app, ana, account=account, fields={"price": "120"})
    moved(app, card, "terms", ana)
    follow_through(app)
    before = len(smtp_sink.received)
    caller, reminders = Caller(app, ana), f"/client-gates/{request_of(app, card, 'terms')['id']}/reminders"
    answers = [caller.post(reminders) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [answers[0].status_code, 422, 422, 422]
    assert "a moment ago" in answers[1].text
    follow_through(app)
    assert len(smtp_sink.received) == before + 1
    with time_machine.travel(now() + timedelta(seconds=90), tick=True):
        assert caller.post(reminders).status_code == answers[0].status_code
        follow_through(app)
    assert len(smtp_sink.received) == before + 2


def test_what_was_asked_before_legal_documents_were_kept_is_shown(app: Flask, smtp_sink: Any) -> None:
    publish_gates(app)
    ana = make_user(app, role="manager")
    account = make_account(app, owner=ana)
    a_contact(app, account, rights=["signatory"])
    card = a_card(app, ana, account=account, fields={"price": "120"})
    moved(app, card, "terms", ana)
    follow_through(app)
    older = {
        "name": "Offer",
        "title": "Offer of May",
        "file": None,
        "url": "https://docs.example/",
        "sha256": None,
    }
    with app.app_context(), transaction():
        db.session.execute(sa.update(ClientRequest).values(documents=[older]))
    client = Client.of(app, card, "terms")
    client.open()
    assert "Offer of May" in client.look().text
    page = Caller(app, ana).get(f"/client-gates/{request_of(app, card, 'terms')['id']}")
    assert (page.status_code, "Offer of May" in page.text) == (200, True)
