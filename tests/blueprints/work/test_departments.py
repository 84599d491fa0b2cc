"""W20, E11, E17: each department finds its handoffs, alerts, tasks, client gates and cards in one queue."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.edit import archive_card
from lifecycle.records.cards.models import Card
from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.tasks.record import add_task
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, change, make_account, moved, rows
from tests.factories.clients import FILES, a_contact
from tests.factories.consequences import follow_through, remind
from tests.factories.people import Person, make_department, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.statements import statements

MONDAY = datetime(2026, 11, 30, 10, tzinfo=UTC)
STAGES = """
first: { sla: 2 business days, escalate: 4 business hours after, next_action: { do: Call, due: 30 days } }
terms: { client_gate: { asks: terms, to: signatory, due: 3 days }, leave: [ { client: terms } ] }
sold: { on_enter: [ { handoff: { to: kitchen, carries: price, accept_within: 1 business day } } ] }
"""
KITCHEN = """
pipeline: kitchen
department: office
stages:
  begun: { owner: least loaded }
  served: { kind: won, asks: { why: text } }
"""
MAIN = "reminders: { handoffs: { remind: [on due], escalate: 1 business day after } }\n"


@pytest.fixture
def ana(app: Flask) -> Person:
    files = {**FILES, "kitchen.yaml": KITCHEN}
    publish_lab(app, STAGES, "- { from: first, to: sold, kind: forward }", files=files, main=MAIN)
    return make_user(app, name="Ana", departments=["bench"])


@pytest.fixture
def ola(app: Flask, ana: Person) -> Person:
    return make_user(app, name="Ola", departments=["office"])


def queue(app: Flask, person: Person, department: str = "bench", query: str = "") -> str:
    answer = Caller(app, person).get(f"/work/departments/{department}{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def section(html: str, key: str) -> str:
    found = re.search(rf'<section class="panel work-section" id="{key}".*?</section>', html, re.DOTALL)
    return text(found[0]) if found else ""


def verdict(html: str) -> str:
    found = re.search(r'<p class="work-verdict.*?</p>', html, re.DOTALL)
    assert found
    return text(found[0])


def tabs(html: str) -> str:
    found = re.search(r'<nav class="tabs" aria-label="Queues">.*?</nav>', html, re.DOTALL)
    assert found
    return text(found[0])


def task(app: Flask, card: KnownCard, title: str, due_at: datetime, of: Person | None) -> None:
    with app.app_context(), transaction():
        add_task(card.id, card.visit, title, assignee_id=of.id if of else None, due_at=due_at)


def test_an_empty_queue_says_what_goes_there(app: Flask, ana: Person) -> None:
    html = queue(app, ana)
    assert verdict(html) == "Nothing is late, and no handoff waits."
    told = text(html)
    for words in ("Handoffs to accept", "Alerts Cards that", "Tasks Open tasks", "Client gates waiting What"):
        assert words in told
    assert Caller(app, ana).get("/work/departments/nowhere").status_code == 404


def test_tabs_lead_to_every_department_ones_own_first_with_what_calls_in_each(
    app: Flask, ana: Person, ola: Person
) -> None:
    make_department(app, "accounting")
    with time_machine.travel(MONDAY):
        card = a_card(app, ana)
        a_card(app, ana)
        moved(app, card, "sold", ana)
        follow_through(app)
    with time_machine.travel(MONDAY + timedelta(days=3)):
        html = queue(app, ana)
        assert tabs(html) == (
            "My work Bench 1 (0 handoffs to accept and 1 card over its time) Accounting "
            "Office 1 (1 handoff to accept and 0 cards over their time)"
        )
        assert tabs(queue(app, ola, "accounting")).startswith("My work Office 1")
        everybody = make_user(app, role="viewer")
        assert Caller(app, everybody).get("/work/departments/office").status_code == 200


def test_a_handoff_ages_visibly_and_is_marked_when_it_was_escalated(
    app: Flask, ana: Person, ola: Person
) -> None:
    with time_machine.travel(MONDAY):
        card = a_card(app, ana, account=make_account(app, name="Nordwind"), title="Fibre")
        moved(app, card, "sold", ana)
        follow_through(app)
        html = queue(app, ola, "office")
        assert verdict(html) == "1 handoff waits to be accepted; the oldest for 0 min."
        told = section(html, "handoffs")
        assert told.startswith("Handoffs to accept 1 Nordwind Fibre From Trials to Kitchen, by Ana")
        assert "Tomorrow, 10:0" in told
        assert "Escalated" not in told
    with time_machine.travel(MONDAY + timedelta(days=2, hours=1)):
        remind(app)
        html = queue(app, ola, "office")
        assert verdict(html).endswith("the oldest for 2 d.")
        told = section(html, "handoffs")
        assert told.startswith("Handoffs to accept 1 1 late Nordwind Fibre Escalated From Trials")
        assert "2 d" in told
        assert "d late" in told
    # Whoever hands over waits, even if the receiving card was put away.
    [handoff] = rows(app, Handoff)
    with time_machine.travel(MONDAY + timedelta(days=2, hours=2)):
        change(app, KnownCard(handoff["to_card_id"], 0, card.account, ""), ola, archive_card)
        assert "Its card is archived" in section(queue(app, ola, "office"), "handoffs")


def test_both_answers_stand_in_the_queue_and_lead_back_to_it(app: Flask, ana: Person, ola: Person) -> None:
    moved(app, a_card(app, ana), "sold", ana)
    follow_through(app)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        caller = Caller(app, ola)
        html = caller.get("/work/departments/office").text
        address = re.search(r'action="(/handoffs/[^"]+/acceptances)"', html)
        assert address
        assert html.count('name="next" value="/work/departments/office"') == 2
        answer = caller.post(address[1], "page", next="/work/departments/office")
        assert answer.location == "/work/departments/office"
        assert section(caller.get(answer.location).text, "handoffs") == ""
        stranger = queue(app, ana, "office")
        assert "/acceptances" not in stranger


def test_alerts_are_cards_over_their_time_due_soon_and_without_a_next_action(app: Flask, ana: Person) -> None:
    account = make_account(app, name="Nordwind")
    with time_machine.travel(MONDAY):
        a_card(app, ana, account=account, title="Late")
    with time_machine.travel(MONDAY + timedelta(days=1, hours=3)):
        a_card(app, ana, account=account, title="Soon")
    with time_machine.travel(MONDAY + timedelta(days=2, hours=5)):
        bare = a_card(app, ana, account=account, title="Bare")
        with app.app_context(), transaction():
            db.session.get_one(Card, bare.id).next_action = None
    with time_machine.travel(MONDAY + timedelta(days=3)):
        remind(app)
        html = queue(app, ana)
        everything = section(queue(app, ana, query="?only=cards"), "cards")
    told = section(html, "alerts")
    assert told.startswith(
        "Alerts 3 1 over their time Over their time 1 Nordwind Late Trials: First Escalated"
    )
    assert "Due soon 1 Nordwind Soon Trials: First" in told
    assert "No next action 1 Nordwind Bare Trials: First Say what is next" in told
    assert verdict(html) == "1 card is over its time."
    cards = section(html, "cards")
    assert cards.startswith(
        "Cards by SLA 3 1 over their time 1 due soon 1 in time Those that alert stand above"
    )
    assert "Bare" in cards
    assert "Soon" not in cards
    order = [everything.index(title) for title in ("Late", "Soon", "Bare")]
    assert order == sorted(order)


def test_tasks_are_those_of_its_cards_and_of_its_members_elsewhere(
    app: Flask, ana: Person, ola: Person
) -> None:
    with time_machine.travel(MONDAY):
        card = a_card(app, ana, title="Fibre", account=make_account(app, name="Nordwind"))
        task(app, card, "Nobody has it", MONDAY - timedelta(days=1), None)
        task(app, card, "Ola has it", MONDAY + timedelta(hours=2), ola)
        bench, office = queue(app, ana), queue(app, ana, "office")
    assert section(bench, "tasks") == (
        "Tasks 2 1 late Nobody has it Nordwind Fibre 1 d late ? Ola has it Nordwind Fibre Today, 12:00 O"
    )
    assert section(office, "tasks") == "Tasks 1 Ola has it Nordwind Fibre Today, 12:00 O"


def test_client_gates_stand_by_age_with_their_state(app: Flask, ana: Person, smtp_sink: Any) -> None:
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account, rights=["signatory"])
    for days, title in ((0, "First asked"), (2, "Asked later")):
        with time_machine.travel(MONDAY + timedelta(days=days)):
            moved(app, a_card(app, ana, account=account, title=title), "terms", ana)
            follow_through(app)
    with time_machine.travel(MONDAY + timedelta(days=4, minutes=5)):
        html = queue(app, ana)
        assert section(queue(app, ana, "office"), "gates") == ""
    assert section(html, "gates") == (
        "Client gates waiting 2 1 late Your terms Sent Cleo Client Nordwind First asked 4 d 1 d late A "
        "Your terms Sent Cleo Client Nordwind Asked later 2 d Tomorrow, 10:00 A"
    )


@pytest.mark.parametrize("number", [1, 30])
def test_it_costs_the_same_statements_however_much_there_is(
    app: Flask, ana: Person, ola: Person, number: int
) -> None:
    with time_machine.travel(MONDAY):
        account = make_account(app)
        for each in range(number):
            card = a_card(app, ana, account=account)
            task(app, card, f"Task {each}", MONDAY, ana)
            moved(app, a_card(app, ana, account=account), "sold", ana)
        follow_through(app)
    with time_machine.travel(MONDAY + timedelta(days=3)):
        for department in ("bench", "office"):
            caller = Caller(app, ola)
            caller.get(f"/work/departments/{department}")
            with statements(app) as sent:
                assert caller.get(f"/work/departments/{department}").status_code == 200
            # The reader and their departments (2), the tabs, handoffs, clocks (2), tasks, cards without a
            # next action, client gates, the figures, and the bell.
            assert len(sent) == 10, department


def test_long_sections_go_on_alone(app: Flask, ana: Person) -> None:
    with time_machine.travel(MONDAY):
        card = a_card(app, ana)
        for each in range(60):
            task(app, card, f"Task {each:02}", MONDAY + timedelta(days=each), ana)
        html = queue(app, ana)
        assert 'href="/work/departments/bench?only=tasks"' in html
        assert "51\u201360 of 60" in text(queue(app, ana, query="?only=tasks&page=2"))
        for only in ("handoffs", "actions", "gates"):
            assert "Nothing here now" in queue(app, ana, query=f"?only={only}"), only
