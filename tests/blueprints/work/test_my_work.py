"""P4: one page says what matters, and lists everything that waits for its reader and nothing else."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.edit import archive_card
from lifecycle.records.cards.models import Card
from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.tasks.record import add_task
from tests.factories.browsing import Caller
from tests.factories.cards import (
    KnownCard,
    a_card,
    ask,
    change,
    complete,
    decide,
    fill,
    make_account,
    moved,
    rows,
)
from tests.factories.clients import FILES, Client, a_contact
from tests.factories.consequences import follow_through, remind
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.statements import statements

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
MONDAY = datetime(2026, 11, 30, 10, tzinfo=UTC)
APPROVAL = "bench.leave.approval.bench_manager"
STAGES = """
first: { sla: 2 business days }
bench: { sla: 9 business days, leave: [ { approval: { by: bench_manager, of: [price, discount] } } ] }
"""
SOLD = """
first: {}
sold: { on_enter: [ { handoff: { to: kitchen, carries: price, accept_within: 1 business day } } ] }
"""
GATES = """
first: {}
terms: { client_gate: { asks: terms, to: signatory, due: 3 days }, leave: [ { client: terms } ] }
order: { client_gate: { asks: order, due: 3 days }, leave: [ { client: order } ] }
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
    publish_lab(app, STAGES)
    return make_user(app, name="Ana", departments=["bench"])


@pytest.fixture
def boss(app: Flask, ana: Person) -> Person:
    return make_user(app, name="Boss", role="manager", departments=["bench"])


def page(app: Flask, person: Person, path: str = "/work") -> str:
    """A page as somebody reads it who has just logged in."""
    answer = Caller(app, person).get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def section(html: str, key: str) -> str:
    """What stands in one section, in words; empty when there is none."""
    found = re.search(rf'<section class="panel work-section" id="{key}".*?</section>', html, re.DOTALL)
    return text(found[0]) if found else ""


def verdict(html: str) -> str:
    found = re.search(r'<p class="work-verdict.*?</p>', html, re.DOTALL)
    assert found
    return text(found[0])


def task(app: Flask, card: KnownCard, title: str, due_at: datetime | None, of: Person | None) -> uuid.UUID:
    """Commit a task that a person made."""
    with app.app_context(), transaction():
        made = add_task(card.id, card.visit, title, assignee_id=of.id if of else None, due_at=due_at)
        return made.id


def next_action(app: Flask, card: KnownCard, words: str | None, due_at: datetime | None, of: Person) -> None:
    with app.app_context(), transaction():
        row = db.session.get_one(Card, card.id)
        row.next_action, row.next_action_due_at, row.next_action_assignee_id = words, due_at, of.id


def client_account(app: Flask, owner: Person, name: str = "Nordwind") -> uuid.UUID:
    account = make_account(app, owner=owner, name=name)
    a_contact(app, account, rights=["signatory"])
    return account


def test_with_nothing_to_do_it_says_what_would_stand_there(app: Flask, ana: Person) -> None:
    html = page(app, ana)
    assert verdict(html) == "Nothing is late, and nobody waits for your answer."
    told = text(html)
    for words in (
        "Handoffs to accept Work that another team hands to your department",
        "Clients: our turn What your clients submitted or declined",
        "Approvals to decide",
        "Tasks Open tasks that you have",
        "Next actions",
        "My cards by SLA",
        "Waiting on clients",
    ):
        assert words in told
    assert 'id="tasks"' not in html


def test_tasks_are_mine_open_and_ordered_by_when_they_are_due(app: Flask, ana: Person) -> None:
    with time_machine.travel(MONDAY):
        card = a_card(app, ana, title="Fibre", account=make_account(app, name="Nord <Funk>"))
        next_action(app, card, "Wait", MONDAY + timedelta(days=90), ana)
        task(app, card, "Without a date", None, ana)
        task(app, card, "Long ago", MONDAY - timedelta(days=3), ana)
        task(app, card, "This afternoon", MONDAY + timedelta(hours=4), ana)
        task(app, card, "On Friday", MONDAY + timedelta(days=4), ana)
        task(app, card, "Somebody else's", MONDAY, make_user(app))
        complete(app, card, ana, task(app, card, "Done already", MONDAY, ana))
        gone = a_card(app, ana)
        task(app, gone, "Of an archived card", MONDAY, ana)
        change(app, gone, ana, archive_card)
        closed = a_card(app, ana)
        task(app, closed, "Of a closed card", MONDAY, ana)
        moved(app, closed, "lost", ana, answers={"why": "x"})
        html = page(app, ana)
    told = section(html, "tasks")
    assert told == (
        "Tasks 4 1 late Long ago Nord <Funk> Fibre 3 d late This afternoon Nord <Funk> Fibre Today, 14:00 "
        "On Friday Nord <Funk> Fibre Fri 4 Dec Without a date Nord <Funk> Fibre"
    )
    assert verdict(html) == "1 thing is late."


def test_due_times_are_said_in_the_readers_own_zone(app: Flask, ana: Person) -> None:
    with app.app_context(), transaction():
        db.session.execute(sa.text("update users set time_zone = 'Asia/Kathmandu'"))
    with time_machine.travel(MONDAY):
        card = a_card(app, ana)
        task(app, card, "Late at night", datetime(2026, 11, 30, 18, 15, tzinfo=UTC), ana)
        told = section(page(app, ana), "tasks")
    assert "Tomorrow, 00:00" in told


def test_next_actions_are_those_of_a_week_and_cards_without_one_are_flagged(app: Flask, ana: Person) -> None:
    with time_machine.travel(MONDAY):
        account = make_account(app, name="Nordwind")
        for words, days in (("Late one", -1), ("In six days", 6), ("In seven days", 7), ("In eight days", 8)):
            card = a_card(app, ana, account=account, title=words)
            next_action(app, card, f"{words}, call", MONDAY + timedelta(days=days), ana)
        next_action(app, a_card(app, ana, account=account, title="Bare"), None, None, ana)
        other = make_user(app, name="Bo")
        next_action(app, a_card(app, other, account=account), "Not mine", MONDAY, other)
        html = page(app, ana)
    assert section(html, "actions") == (
        "Next actions 4 1 late Late one, call Nordwind Late one 1 d late In six days, call Nordwind "
        "In six days Sun 6 Dec In seven days, call Nordwind In seven days 7 Dec "
        "Say what is to be done next No next action Nordwind Bare"
    )


def test_cards_are_listed_when_they_are_over_their_time_or_soon_will_be(app: Flask, ana: Person) -> None:
    with time_machine.travel(MONDAY):
        account = make_account(app, name="Nordwind")
        for title in ("Late", "Another's"):
            by = ana if title == "Late" else make_user(app)
            a_card(app, by, account=account, title=title)
    with time_machine.travel(MONDAY + timedelta(days=1, hours=3)):
        a_card(app, ana, account=account, title="Soon")
    with time_machine.travel(MONDAY + timedelta(days=2, hours=23)):
        a_card(app, ana, account=account, title="Fresh")
    with time_machine.travel(MONDAY + timedelta(days=3)):
        html = page(app, ana)
        everything = section(page(app, ana, "/work?only=cards"), "cards")
    told = section(html, "cards")
    assert told.startswith("My cards by SLA 2 1 over their time Nordwind Late Trials: First")
    assert told.index("Late Trials") < told.index("Soon Trials")
    assert "Fresh" not in told
    assert "Another's" not in told
    assert "Fresh" in everything
    assert everything.startswith("My cards by SLA 3 1 over their time")


def test_handoffs_are_those_of_my_departments_with_age_due_time_and_both_answers(
    app: Flask, ana: Person
) -> None:
    publish_lab(app, SOLD, files={"kitchen.yaml": KITCHEN}, main=MAIN)
    ola = make_user(app, name="Ola", departments=["office"])
    with time_machine.travel(MONDAY):
        card = a_card(app, ana, account=make_account(app, owner=ana, name="Nordwind"), title="Fibre")
        moved(app, card, "sold", ana)
        follow_through(app)
    with time_machine.travel(MONDAY + timedelta(days=4)):
        remind(app)
        html = page(app, ola)
        assert verdict(html) == "1 waits for your answer."
        told = section(html, "handoffs")
        assert told.startswith("Handoffs to accept 1 1 late Nordwind Fibre Escalated From Trials to Kitchen")
        assert "3 d" in told
        assert "late" in told
        assert "Accept Return What is missing" in told
        [handoff] = rows(app, Handoff)
        assert f'action="/handoffs/{handoff["id"]}/acceptances"' in html
        assert 'name="next" value="/work"' in html
        for stranger in (ana, make_user(app, role="viewer", departments=["office"])):
            assert section(page(app, stranger), "handoffs") == ""
        Caller(app, ola).post(f"/handoffs/{handoff['id']}/acceptances", "page")
        assert section(page(app, ola), "handoffs") == ""


def test_what_clients_sent_or_need_waits_for_the_cards_owner_and_the_rest_for_them(
    app: Flask, ana: Person, smtp_sink: Any
) -> None:
    publish_lab(app, GATES, files=FILES)
    with time_machine.travel(MONDAY):
        account = client_account(app, ana)
        named = ("Declined", "Stuck", "Quiet")
        cards = {title: a_card(app, ana, account=account, title=title) for title in named}
        cards["Nobody"] = a_card(app, ana, account=make_account(app, name="Unknown"), title="Nobody")
        for card in cards.values():
            moved(app, card, "terms", ana)
        follow_through(app)
    with time_machine.travel(MONDAY + timedelta(hours=2)):
        for title, act in (("Declined", "refusals"), ("Stuck", "stuck-reports")):
            client = Client.of(app, cards[title], "terms")
            client.open()
            assert client.send(act, reason=f"{title} because").status_code == 303
    with time_machine.travel(MONDAY + timedelta(days=4, minutes=5)):
        html = page(app, ana)
        bo = make_user(app, name="Bo")
        assert section(page(app, bo), "requests") == section(page(app, bo), "waiting") == ""
    assert section(html, "requests") == (
        "Clients: our turn 3 \u201cYour terms\u201d: say whom to ask Not asked Unknown Nobody 4 d "
        "\u201cYour terms\u201d: win them back, or let go Declined Declined because Nordwind Declined 3 d "
        "\u201cYour terms\u201d: help them on Stuck Stuck because Nordwind Stuck 3 d"
    )
    assert verdict(html) == "3 wait for your answer."
    assert section(html, "waiting") == (
        "Waiting on clients 2 2 late Your terms Nordwind Stuck 4 d 1 d late "
        "Your terms Nordwind Quiet 4 d 1 d late"
    )


def test_what_a_client_submitted_is_to_be_reviewed(app: Flask, ana: Person, smtp_sink: Any) -> None:
    publish_lab(app, GATES.replace("leave: [ { client: terms } ]", "leave: []"), files=FILES)
    card = a_card(app, ana, account=client_account(app, ana), title="Fibre", fields={"price": "9"})
    moved(app, card, "terms", ana)
    moved(app, card, "order", ana)
    follow_through(app)
    client = Client.of(app, card, "order")
    client.open()
    given = {"ask-pieces": "12", "files": (BytesIO(PDF), "order.pdf")}
    assert client.send("answers", signer="Cleo", **given).status_code == 303
    html = page(app, ana)
    assert section(html, "requests").startswith("Clients: our turn 1 Review \u201cYour order\u201d Submitted")
    assert section(html, "waiting") == ""


def test_approvals_are_those_i_may_decide_and_that_still_matter(
    app: Flask, ana: Person, boss: Person
) -> None:
    admin = make_user(app, role="admin")
    with time_machine.travel(MONDAY):
        account = make_account(app, name="Nordwind")
        cards = [a_card(app, ana, account=account, title=f"Card {each}") for each in range(5)]
        requests = []
        for card in cards:
            fill(app, card, ana, price="100", discount="5")
            moved(app, card, "bench", ana)
            requests.append(ask(app, card, ana, APPROVAL, "Above the usual"))
        decide(app, cards[1], boss, requests[1])
        decide(app, cards[2], boss, requests[2], "rejected", "Too much")
        fill(app, cards[3], ana, price="90")
        change(app, cards[4], ana, archive_card)
    with time_machine.travel(MONDAY + timedelta(hours=3, minutes=5)):
        html = page(app, boss)
        told = section(html, "approvals")
        assert told == (
            "Approvals to decide 1 Approve price and discount Above the usual Nordwind Card 0 3 h A"
        )
        assert verdict(html).endswith("1 waits for your answer.")
        assert section(page(app, admin), "approvals") == told, "an administrator holds every role"
        assert section(page(app, ana), "approvals") == "", "nobody decides what they asked for"
        assert section(page(app, make_user(app, departments=["bench"])), "approvals") == ""
        decide(app, cards[0], boss, requests[0])
        assert section(page(app, boss), "approvals") == ""
        assert section(page(app, admin), "approvals") == "", "one approval is enough"


def test_a_long_section_shows_its_first_lines_and_all_of_them_alone(app: Flask, ana: Person) -> None:
    with time_machine.travel(MONDAY):
        card = a_card(app, ana)
        for each in range(60):
            task(app, card, f"Task {each:02}", MONDAY + timedelta(days=each), ana)
        html = page(app, ana)
        told = section(html, "tasks")
        assert "Task 09" in told
        assert "Task 10" not in told
        assert told.endswith("All 60")
        assert 'href="/work?only=tasks"' in html
        first = page(app, ana, "/work?only=tasks")
        assert "Task 49" in first
        assert "Task 50" not in first
        assert "1\u201350 of 60" in text(first)
        assert "51\u201360 of 60" in text(page(app, ana, "/work?only=tasks&page=2"))
        assert "Nothing on this page" in page(app, ana, "/work?only=tasks&page=3")
        assert "Nothing here now" in page(app, ana, "/work?only=approvals")


def test_every_section_stands_alone_too(app: Flask, ana: Person) -> None:
    for only in ("handoffs", "requests", "approvals", "tasks", "actions", "cards", "waiting"):
        assert "Nothing here now" in page(app, ana, f"/work?only={only}"), only
    assert 'class="work-verdict' in page(app, ana, "/work?only=nonsense")


@pytest.mark.parametrize("number", [1, 12])
def test_it_costs_the_same_statements_however_much_there_is(
    app: Flask, ana: Person, boss: Person, number: int
) -> None:
    account = client_account(app, boss)
    for each in range(number):
        card = a_card(app, boss, account=account)
        task(app, card, f"Task {each}", now(), boss)
        next_action(app, card, None, None, boss)
        asked = a_card(app, ana, account=account)
        fill(app, asked, ana, price="100")
        moved(app, asked, "bench", ana)
        ask(app, asked, ana, APPROVAL)
    caller = Caller(app, boss)
    caller.get("/work")
    with statements(app) as sent:
        assert caller.get("/work").status_code == 200
    # The reader and their departments (2), the tabs, handoffs, requests, approvals with their cards (2),
    # tasks, next actions, cards that wait, clocks (2), and the bell.
    assert len(sent) == 12
    with statements(app) as sent:
        assert caller.get("/work?only=tasks").status_code == 200
    assert len(sent) == 4
