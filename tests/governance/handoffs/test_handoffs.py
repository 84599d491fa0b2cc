"""E17, W8, W13: work passes on with its context, and is accepted, or returned with a reason and mended."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, NotPermitted
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import archive_card
from lifecycle.governance.handoffs.answer import accept_handoff, hand_over_again, return_handoff
from lifecycle.records.cards.models import Card
from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.tasks.models import Task
from tests.factories.cards import KnownCard, a_card, attach, card_row, fill, gate, make_account, moved, rows
from tests.factories.clients import a_contact
from tests.factories.consequences import follow_through, notices, remind
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

STAGES = """
first: {}
sold:
  on_enter:
    - handoff:
        { to: kitchen, carries: [price, wish], evidence: photo, promises: ready_on,
          accept_within: 1 business day }
  leave: [ { handoff: kitchen } ]
last: {}
"""
KITCHEN = """
pipeline: kitchen
department: office
stages:
  begun: { owner: least loaded, sla: 2 business days, leave: [ { handoff: received } ] }
  cooking: {}
  served: { kind: won, asks: { why: text } }
"""
MAIN = "reminders: { handoffs: { remind: [on due], escalate: 1 business day after } }\n"
MONDAY = "2026-11-30T10:00:00+00:00"


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, STAGES, files={"kitchen.yaml": KITCHEN}, main=MAIN)
    return make_user(app, name="Ana", departments=["bench"])


@pytest.fixture
def ola(app: Flask, ana: Person) -> Person:
    return make_user(app, name="Ola", departments=["office"])


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind Funk")
    a_contact(app, account, rights=["signatory"])
    made = a_card(app, ana, account=account, title="Fibre", value="1200")
    fill(app, made, ana, price="99", wish="Warm", ready_on="2026-12-01")
    attach(app, made, ana, "photo")
    return made


@pytest.fixture
def offered(app: Flask, ana: Person, ola: Person, card: KnownCard) -> dict[str, Any]:
    moved(app, card, "sold", ana)
    assert rows(app, Handoff) == [], "nothing is handed over while the move can be undone"
    follow_through(app)
    return rows(app, Handoff)[0]


def test_the_receiving_card_comes_with_what_was_declared(
    app: Flask, offered: dict[str, Any], ola: Person, card: KnownCard
) -> None:
    received = rows(app, Card, id=offered["to_card_id"])[0]
    given = card_row(app, card)
    assert received["title"] == "Fibre"
    assert received["value_amount"] == given["value_amount"]
    assert received["fields"] == {"price": "99.00", "wish": "Warm", "ready_on": "2026-12-01"}
    assert received["owner_id"] == ola.id
    assert received["journey_id"] == given["journey_id"] == card.id
    context = offered["context"]
    assert [item["value"] for item in context["fields"]] == ["99.00 EUR", "Warm"]
    assert context["promises"][0]["value"] == "1 December 2026"
    assert context["files"][0]["name"] == "Photo"
    assert context["contacts"] == [
        {"name": "Cleo Client", "email": "cleo@client.example", "phone": None, "rights": "Signatory"}
    ]
    assert ("Ola", "Trials hands Nordwind Funk over to you: Fibre") in notices(app)


def test_neither_card_goes_on_before_it_is_accepted(
    app: Flask, offered: dict[str, Any], ana: Person, ola: Person, card: KnownCard
) -> None:
    assert [r.sentence for r in gate(app, card, "last").blocked] == [
        "Office has not accepted the handoff yet."
    ]
    taken = KnownCard(offered["to_card_id"], 0, card.account, "Fibre")
    assert [r.sentence for r in gate(app, taken, "cooking").blocked] == [
        "The handoff is not accepted yet; accept it or return it."
    ]
    with app.app_context(), pytest.raises(NotPermitted), transaction():
        accept_handoff(offered["id"], ana.actor)
    with app.app_context(), transaction():
        accept_handoff(offered["id"], ola.actor)
    assert gate(app, card, "last").is_open
    assert gate(app, taken, "cooking").is_open
    row = card_row(app, card)
    assert (row["gate_passed"], row["gate_total"]) == (1, 1), "the giving card's face is up to date"
    with app.app_context(), pytest.raises(Conflict), transaction():
        return_handoff(offered["id"], ola.actor, "Too late")
    assert ("Ana", "Office accepted Fibre") in notices(app)


def test_returned_it_leaves_the_board_and_comes_back_mended(
    app: Flask, offered: dict[str, Any], ana: Person, ola: Person, card: KnownCard
) -> None:
    with app.app_context(), pytest.raises(Invalid, match="Say what is missing"), transaction():
        return_handoff(offered["id"], ola.actor, "  ")
    with app.app_context(), transaction():
        return_handoff(offered["id"], ola.actor, "The wish is unclear")
    assert rows(app, Card, id=offered["to_card_id"])[0]["archived_at"] is not None
    assert gate(app, card, "last").blocked[0].sentence == "Office returned the handoff: The wish is unclear"
    assert [task["title"] for task in rows(app, Task)] == ["Mend the handoff: The wish is unclear"]
    fill(app, card, ana, wish="Warm, at noon")
    with app.app_context(), transaction():
        hand_over_again(card.id, "kitchen", ana.actor, "Mended")
    again = rows(app, Handoff)[0]
    assert (again["id"], again["state"], again["round"]) == (offered["id"], "offered", 2)
    back = rows(app, Card, id=offered["to_card_id"])[0]
    assert back["archived_at"] is None
    assert back["fields"]["wish"] == "Warm, at noon"
    assert [name for name, title in notices(app) if "hands" in title] == ["Ola", "Ola"]


def test_it_can_be_returned_even_if_its_card_was_archived_by_hand(
    app: Flask, offered: dict[str, Any], ola: Person, card: KnownCard
) -> None:
    """Otherwise the giver waits for ever for a card that nobody sees."""
    with app.app_context(), transaction(), changing_card(offered["to_card_id"], ola.actor) as subject:
        archive_card(subject, ola.actor)
    with app.app_context(), transaction():
        return_handoff(offered["id"], ola.actor, "Not ours")
    assert gate(app, card, "last").blocked[0].sentence == "Office returned the handoff: Not ours"


def test_entering_the_stage_again_hands_over_no_second_time(
    app: Flask, offered: dict[str, Any], ana: Person, ola: Person, card: KnownCard
) -> None:
    boss = make_user(app, role="manager", departments=["bench"])
    moved(app, card, "first", boss, override=True, reason="Once more")
    moved(app, card, "sold", ana)
    follow_through(app)
    assert len(rows(app, Handoff)) == 1
    assert len(rows(app, Card)) == 2


def test_an_unanswered_handoff_is_reminded_of_and_escalated(
    app: Flask, ana: Person, ola: Person, card: KnownCard
) -> None:
    head = make_user(app, role="manager", name="Olga", departments=["office"])
    with time_machine.travel(MONDAY, tick=False):
        moved(app, card, "sold", ana)
        follow_through(app)
    with time_machine.travel("2026-12-01T10:05:00+00:00", tick=False):
        remind(app)
    assert notices(app)[-2:] == [
        ("Ola", "Nordwind Funk: Fibre waits to be accepted or returned"),
        ("Olga", "Nordwind Funk: Fibre waits to be accepted or returned"),
    ]
    with time_machine.travel("2026-12-02T10:05:00+00:00", tick=False):
        remind(app)
    waits = [name for name, title in notices(app) if "waits to be accepted" in title]
    assert sorted(waits) == ["Ana", "Ola", "Olga", "Olga"]
    assert head.name == "Olga"
