"""L10: the command center, and that each of its numbers leads to exactly what it counts."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from lifecycle.governance.cards.waiting import start_waiting
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, attach, change, fill, make_account, move, moved
from tests.factories.clients import a_contact, publish_gates
from tests.factories.consequences import follow_through
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

STAGES = "first: { sla: 2 business days }\nsecond: {}"
GATES_AND_HANDOFFS = """
first: {}
sold:
  on_enter: [ { handoff: { to: kitchen, carries: [price], accept_within: 1 business day } } ]
terms:
  client_gate: { asks: terms, to: signatory, due: 60 days }
  leave: [ { client: terms, waive: nobody } ]
"""
KITCHEN = """
pipeline: kitchen
department: office
stages: { begun: {}, served: { kind: won, asks: { why: text } } }
"""
_LINK = re.compile(r'<a class="figure" href="([^"]+)">(\d+)</a>')


@pytest.fixture
def manager(app: Flask) -> Person:
    publish_lab(app, STAGES)
    return make_user(app, role="manager", name="Mara")


@pytest.fixture
def caller(app: Flask, manager: Person) -> Caller:
    return Caller(app, manager)


def _links(page: str) -> dict[str, int]:
    return {html.unescape(address): int(count) for address, count in _LINK.findall(page)}


def test_every_number_of_the_command_center_leads_to_as_many_cards(
    app: Flask, manager, caller: Caller
) -> None:
    """L10: open, late, waiting, entered, won and lost; a card that waited is listed by its board."""
    cards = [a_card(app, manager, title=f"Card {n}") for n in range(5)]
    move(app, cards[0], "second", manager)
    move(app, cards[1], "lost", manager, answers={"why": "Price"})
    move(app, cards[2], "done", manager, override=True, reason="It was signed")
    change(app, cards[3], manager, lambda subject, actor: start_waiting(subject, actor, "Their signature"))
    page = caller.get("/command-center").text
    links = {
        address: count for address, count in _links(page).items() if not address.startswith("/command-center")
    }
    assert {"figure=cohort", "figure=won", "figure=lost", "figure=now"} < {
        part for address in links for part in re.split("[?&]", address)
    }
    for address, count in links.items():
        assert len(set(re.findall(r"Card \d", caller.get(address).text))) == count, address
    assert any("waiting=client" in address for address in links)


def test_the_totals_of_the_command_center_lead_to_what_they_count(app: Flask, manager) -> None:
    """L10: open cards, those past the SLA, gates and handoffs by age, and every account with its cards."""
    with time_machine.travel(datetime(2026, 3, 2, 10, tzinfo=UTC), tick=False) as clock:
        a_card(app, manager, title="Late card")
        clock.shift(timedelta(days=20))
        for n in range(3):
            a_card(app, manager, title=f"Fresh card {n}")
        make_account(app, name="Nobody works here")
        caller = Caller(app, manager)
        links = _links(caller.get("/command-center").text)
        totals = {key: count for key, count in links.items() if key.startswith("/command-center")}
        assert totals == {"/command-center/cards": 4, "/command-center/cards?only=late": 1}
        late = caller.get("/command-center/cards?only=late").text
        assert "Late card" in late
        assert "Fresh card" not in late
        accounts = caller.get("/command-center/accounts").text
        assert accounts.index("Late card") < accounts.index("Fresh card")
        assert "Nobody works here" not in accounts
        assert "Nobody works here" in caller.get("/command-center/accounts?show=idle").text
        assert "Fresh card" not in caller.get("/command-center/accounts?show=late").text


def test_gates_and_handoffs_lead_to_those_of_their_age(app: Flask) -> None:
    """L10, E8, E17: one gate waits for ten days and one for a day; the handoff for five."""
    publish_gates(app, GATES_AND_HANDOFFS, files={"kitchen.yaml": KITCHEN})
    ana = make_user(app, role="manager", departments=["bench"])
    with time_machine.travel(datetime(2026, 3, 2, 10, tzinfo=UTC), tick=False) as clock:
        for days, stage in ((5, "terms"), (4, "sold"), (1, "terms")):
            account = make_account(app, owner=ana)
            a_contact(app, account, rights=["signatory"])
            card = a_card(app, ana, account=account, title=f"To {stage} {days}")
            fill(app, card, ana, price="99")
            attach(app, card, ana, "photo")
            moved(app, card, stage, ana)
            follow_through(app)
            clock.shift(timedelta(days=days))
        caller = Caller(app, ana)
        links = _links(caller.get("/command-center").text)
        waits = {key: count for key, count in links.items() if "gates" in key or "handoffs" in key}
        assert waits == {
            "/client-gates": 2,
            "/client-gates?age=0": 1,
            "/client-gates?age=2": 1,
            "/command-center/handoffs": 1,
            "/command-center/handoffs?age=1": 1,
        }
        oldest = caller.get("/client-gates?age=2").text
        assert "To terms 5" in oldest
        assert "To terms 1" not in oldest
        assert "To sold 4" in caller.get("/command-center/handoffs?age=1").text
        assert "To sold 4" not in caller.get("/command-center/handoffs?age=0").text
