"""W19: what followed from a stage change can be read as one chain of six steps."""

from __future__ import annotations

import re
import uuid
from html import unescape

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.core.ids import new_id
from lifecycle.governance.moves.undo import undo_move
from lifecycle.records.cards.models import StageVisit
from lifecycle.records.evidence.models import Event
from lifecycle.records.inbox.record import tell
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import SYSTEM
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, fill, make_account, moved, rows
from tests.factories.clients import a_contact, publish_gates
from tests.factories.consequences import firings, follow_through, perform
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.statements import statements
from tests.installation import SmtpSink

HELLO = "subject: Hello {{ contact.first_name }}\ntext: |\n  {{ card.title }} goes on.\n"
STAGES = """
first: { leave: [ { field: colour }, { checklist: bench_clear, severity: warning } ] }
second:
  asks: { how: { name: How it came, options: { phone: By phone, mail: By mail } } }
  notify:
    - { departments: [office], message: hello }
    - { client: yes, message: hello }
third: {}
"""
RULES = """
rules:
  large:
    name: Large order
    on: stage.entered
    stage: second
    when: card.pieces > 100
    do: [ { task: Call the mill } ]
  begun:
    name: Begin
    on: stage.entered
    stage: second
    do: [ { set_field: { field: ready_on, value: today } } ]
  dated: { name: Dated, on: field.changed, of: ready_on, do: [ { task: Tell the bench } ] }
"""


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, STAGES, files={"rules.yaml": RULES, "messages/hello.yaml": HELLO})
    return make_user(app, name="Ana")


@pytest.fixture
def ola(app: Flask, ana: Person) -> Person:
    return make_user(app, name="Ola", departments=["office"])


@pytest.fixture
def caller(app: Flask, ana: Person, ola: Person) -> Caller:
    return Caller(app, ana)


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    made = a_card(app, ana, account=account, title="Fibre")
    fill(app, made, ana, colour="red", pieces="7")
    return made


def go(app: Flask, card: KnownCard, by: Person) -> int:
    """Move a card to the stage from which things follow; return the visit."""
    return moved(app, card, "second", by, answers={"how": "phone"}, channel="board").visit_id


def steps(caller: Caller, card: KnownCard, visit: int) -> list[str]:
    """The six steps in words."""
    answer = caller.get(f"/cards/{card.id}/visits/{visit}")
    assert answer.status_code == 200
    parts = answer.text.split('<li class="chain-step')[1:]
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split()) for part in parts]


def test_the_six_steps_stand_in_order_and_say_what_happened(
    app: Flask, ana: Person, caller: Caller, card: KnownCard, smtp_sink: SmtpSink
) -> None:
    visit = go(app, card, ana)
    follow_through(app)
    change, rules, alerts, client, evidence, ahead = steps(caller, card, visit)
    for words in (
        "Stage change",
        "First",
        "Second",
        "Ana on the board",
        "How it came By phone",
        "1 check passed",
    ):
        assert words in change, words
    assert "Bench clear: 0 of 3 items ticked" in change
    assert "3 of 4 set off" in rules
    assert "Large order" in rules
    assert "Its condition did not hold." in rules
    assert "Told: Ola." in rules
    assert "Set off in turn: Dated (done)" in rules
    assert "Internal alerts 1 person told Ola" in alerts
    assert "Nordwind: Fibre is in Second" in alerts
    assert "Hello Cleo Sent" in alerts
    assert "Hello Cleo to Cleo Client Sent" in client
    with app.app_context():
        event = db.session.scalars(
            sa.select(Event).where(Event.card_id == card.id, Event.kind == "card.stage.entered")
        ).one()
    assert f"Number {event.seq} of the account's log" in evidence
    assert str(event.id) in evidence
    assert bytes(event.hash).hex()[:16] in evidence
    assert "To Third" in ahead


def test_the_link_to_the_evidence_leads_to_its_entry(
    app: Flask, ana: Person, caller: Caller, card: KnownCard
) -> None:
    visit = go(app, card, ana)
    for number in range(60):
        fill(app, card, ana, wish=f"Wish {number}")
    page = caller.get(f"/cards/{card.id}/visits/{visit}").text
    found = re.search(r'href="(/cards/[^"]+/timeline[^"]*)#(event-[0-9a-f-]+)"', page)
    assert found
    assert f'id="{found[2]}"' in caller.get(unescape(found[1])).text


def test_before_it_is_performed_everything_says_that_it_waits(
    app: Flask, ana: Person, caller: Caller, card: KnownCard
) -> None:
    visit = go(app, card, ana)
    perform(app)
    _, rules, alerts, client, _, _ = steps(caller, card, visit)
    assert "while the move can be undone" in rules
    assert "not read yet" in alerts
    assert "Waits until" in client


def test_a_move_that_was_taken_back_says_so_at_every_step(
    app: Flask, ana: Person, caller: Caller, card: KnownCard
) -> None:
    visit = go(app, card, ana)
    perform(app)
    with app.app_context(), transaction():
        undo_move(card.id, visit, actor=ana.actor)
    _, rules, alerts, client, _, ahead = steps(caller, card, visit)
    assert "Taken back" in rules
    assert "Taken back with the move" in alerts
    assert "Cancelled" in client
    assert "Taken back by Ana" in ahead
    # The undo is a stay of its own, in which nothing was set off.
    third = rows(app, StageVisit, card_id=card.id)[-1]["id"]
    change, rules, *_ = steps(caller, card, third)
    assert "a move was taken back" in change
    assert "No rule of the playbook waits for this." in rules


def test_each_stay_leads_to_the_one_before_and_the_one_after(
    app: Flask, ana: Person, caller: Caller, card: KnownCard
) -> None:
    second = go(app, card, ana)
    third = moved(app, card, "third", ana).visit_id
    page = caller.get(f"/cards/{card.id}/visits/{second}").text
    assert f'href="/cards/{card.id}/visits/{card.visit}"' in page
    assert f'href="/cards/{card.id}/visits/{third}"' in page
    first = steps(caller, card, card.visit)
    assert "the card was created" in first[0]
    assert "Left by Ana" in first[5]


def test_a_move_by_a_rule_or_the_system_keeps_its_notices(
    app: Flask, ana: Person, caller: Caller, card: KnownCard, smtp_sink: SmtpSink
) -> None:
    """Where nothing can be undone a notice does not name the visit; it is found by its cause."""
    visit = moved(app, card, "second", SYSTEM, answers={"how": "mail"}, channel="rule").visit_id
    follow_through(app)
    change, _, alerts, client, _, _ = steps(caller, card, visit)
    assert "Lifecycle by a rule" in change
    assert "Ola" in alerts
    assert "Nordwind: Fibre is in Second" in alerts
    assert "Hello Cleo to Cleo Client Sent" in client


def test_what_the_move_asked_of_the_client_and_what_was_sent_again_belongs_to_it(app: Flask) -> None:
    ana = make_user(app, name="Ana")
    publish_gates(app)
    account = make_account(app, owner=ana)
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    visit = moved(app, card, "terms", ana).visit_id
    caller = Caller(app, ana)
    client, ahead = steps(caller, card, visit)[3::2]
    assert "Asks for Your terms About to be sent" in client
    assert "Please decide, Cleo to Cleo Client Waits until" in client
    assert "waits for the client" in ahead
    with app.app_context(), transaction():
        db.session.execute(sa.update(OutboxMessage).values(state="failed", last_error="550 gone"))
    [message] = rows(app, OutboxMessage)
    caller.post(f"/messages/{message['id']}/resends")
    client = steps(caller, card, visit)[3]
    assert "550 gone" in client
    assert "sent again" in client


@pytest.mark.parametrize("visit", ["0", "999999999", "9" * 30])
def test_a_stay_that_is_not_there_is_not_found(caller: Caller, card: KnownCard, visit: str) -> None:
    assert caller.get(f"/cards/{card.id}/visits/{visit}").status_code == 404


def test_a_stay_of_another_card_is_not_found(
    app: Flask, ana: Person, caller: Caller, card: KnownCard
) -> None:
    other = a_card(app, ana)
    assert caller.get(f"/cards/{other.id}/visits/{card.visit}").status_code == 404
    assert caller.get(f"/cards/{uuid.uuid4()}/visits/{card.visit}").status_code == 404


def test_a_viewer_may_read_it(app: Flask, ana: Person, ola: Person, card: KnownCard) -> None:
    visit = go(app, card, ana)
    assert len(steps(Caller(app, make_user(app, role="viewer")), card, visit)) == 6


def test_it_costs_the_same_however_much_followed(
    app: Flask, ana: Person, ola: Person, caller: Caller, card: KnownCard
) -> None:
    visit = go(app, card, ana)
    perform(app)
    firing = firings(app, card)[0]
    counts = []
    for number in (1, 40):
        with app.app_context(), transaction():
            for each in range(number):
                cause = f"firing/{firing.id}/{number}{each}"
                tell([ola.id], title="More", link=card.url, cause=cause, card_id=card.id, visit_id=visit)
                send_message(
                    "playbook.hello",
                    to_address="a@client.example",
                    to_name="A",
                    subject="More",
                    text="x",
                    html=None,
                    card_id=card.id,
                    cause=f"{cause}/{new_id()}",
                )
        caller.get(f"/cards/{card.id}/visits/{visit}")
        with statements(app) as sent:
            steps(caller, card, visit)
        counts.append(len(sent))
    assert counts[0] == counts[1]
