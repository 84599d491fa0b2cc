"""E12: what failed waits for somebody, with its reason; what ran, what waits and what is due is counted."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.ids import new_id
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.work.tasks.models import Task
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, complete, make_account, moved, rows
from tests.factories.clients import a_contact
from tests.factories.consequences import follow_through, perform
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_growth, publish_lab
from tests.factories.statements import statements
from tests.installation import SmtpSink
from tests.mail import received

HELLO = "subject: Hello\ntext: |\n  {{ card.title }} goes on.\n"
STAGES = """
first: {}
second:
  sla: 3 days
  tasks: { weigh: { title: Weigh it, due: 1 day } }
  notify: { departments: [office] }
third: {}
"""
RULES = """
rules:
  welcome:
    name: Welcome the client
    on: stage.entered
    stage: second
    do:
      - task: Prepare the bench
      - notify: { client: yes, message: hello }
  never: { on: check.waived, do: [ { task: Look at it } ] }
"""
MAIN = "reminders: { tasks: { remind: [on due] } }\n"


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, STAGES, files={"rules.yaml": RULES, "messages/hello.yaml": HELLO}, main=MAIN)
    return make_user(app, name="Ana")


@pytest.fixture
def manager(app: Flask, ana: Person) -> Person:
    return make_user(app, name="Mona", role="manager")


@pytest.fixture
def caller(app: Flask, manager: Person) -> Caller:
    return Caller(app, manager)


def a_failure(app: Flask, ana: Person, title: str = "Fibre") -> KnownCard:
    """A card whose welcome fails, since nobody is known whom to mail."""
    card = a_card(app, ana, account=make_account(app, owner=ana, name=f"Account of {title}"), title=title)
    moved(app, card, "second", ana)
    follow_through(app)
    return card


def welcome(app: Flask, card: KnownCard) -> dict[str, Any]:
    [firing] = rows(app, RuleFiring, card_id=card.id, rule_key="welcome")
    return firing


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def page(caller: Caller, query: str = "") -> str:
    answer = caller.get(f"/automation{query}")
    assert answer.status_code == 200
    return text(answer.text)


def told(app: Flask) -> list[tuple[str, str]]:
    query = sa.select(Event.kind, Event.body["actor"]["name"].astext).where(Event.kind.like("card.rule.%"))
    with app.app_context():
        return [(kind, name) for kind, name in db.session.execute(query.order_by(Event.at))]


def test_without_anything_it_says_so(caller: Caller) -> None:
    shown = page(caller)
    assert "Nothing went wrong, and no rule has fired in the last 30 days." in shown
    assert "No failure waits for anybody" in shown
    assert "Rules stand in the playbook" in shown


def test_what_ran_is_counted_rule_by_rule(app: Flask, ana: Person, caller: Caller) -> None:
    account = make_account(app, owner=ana)
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    moved(app, card, "second", ana)
    follow_through(app)
    shown = page(caller)
    assert "Everything ran; 2 rules fired in the last 30 days." in shown
    assert "Welcome the client creates a task: Prepare the bench, tells the client 1 1 0 0" in shown
    assert "Notice on entering Second tells Office 1 1 0 0" in shown
    assert "rules have not fired" in shown or "rule has not fired" in shown
    assert "Never creates a task: Look at it" in shown


def test_a_failure_comes_first_with_what_each_action_came_to(app: Flask, ana: Person, caller: Caller) -> None:
    card = a_failure(app, ana)
    shown = page(caller)
    assert "1 failure waits for somebody." in shown
    for words in (
        "Welcome the client",
        "Fibre of Account of Fibre",
        "Task created: Prepare the bench.",
        "The client cannot be told: no contact with an email address is known.",
    ):
        assert words in shown, words
    assert f"/cards/{card.id}/visits/" in caller.get("/automation").text


def test_trying_again_does_only_what_is_missing_and_is_evidence(
    app: Flask, ana: Person, caller: Caller, smtp_sink: SmtpSink
) -> None:
    card = a_failure(app, ana)
    a_contact(app, card.account)
    answer = caller.post(f"/automation/firings/{welcome(app, card)['id']}/retries", "page", playbook="lab")
    assert (answer.status_code, answer.location) == (303, "/automation?playbook=lab")
    assert welcome(app, card)["state"] == "pending"
    follow_through(app)
    assert welcome(app, card)["state"] == "done"
    assert len(rows(app, Task, card_id=card.id, title="Prepare the bench")) == 1
    assert len(received(smtp_sink)) == 1
    assert told(app) == [("card.rule.retried", "Mona")]
    assert "had the rule “Welcome the client” tried again for it" in text(caller.get(card.url).text)
    assert caller.post(f"/automation/firings/{welcome(app, card)['id']}/retries").status_code == 404


def test_all_that_is_listed_can_be_tried_again_at_once(app: Flask, ana: Person, caller: Caller) -> None:
    cards = [a_failure(app, ana, title) for title in ("One", "Two", "Three")]
    ids = [welcome(app, card)["id"] for card in cards]
    assert "Try all 3 again" in page(caller)
    # One of them is tried by somebody else meanwhile.
    assert caller.post(f"/automation/firings/{ids[0]}/retries").status_code == 303
    assert caller.post("/automation/retries", "page", firing=[str(each) for each in ids]).status_code == 303
    assert {welcome(app, card)["state"] for card in cards} == {"pending"}
    assert "2 rules are tried again now." in page(caller)
    assert len(told(app)) == 3
    assert caller.post("/automation/retries", firing=["x"]).status_code == 404


def test_a_failure_that_rests_is_out_of_the_way_and_on_record(
    app: Flask, ana: Person, caller: Caller
) -> None:
    card = a_failure(app, ana)
    address = f"/automation/firings/{welcome(app, card)['id']}/dismissals"
    assert caller.post(address, "page").status_code == 303
    assert caller.post(address, "page").status_code == 303
    shown = page(caller)
    assert "No failure waits for anybody" in shown
    assert "Everything ran" in shown
    rested = page(caller, "?failures=rested")
    assert "Mona let it rest." in rested
    assert "no contact with an email address is known" in rested
    assert told(app) == [("card.rule.dismissed", "Mona")]


def test_only_who_manages_the_automation_may_act(app: Flask, ana: Person, caller: Caller) -> None:
    card = a_failure(app, ana)
    firing = welcome(app, card)["id"]
    member = Caller(app, ana)
    shown = member.get("/automation").text
    assert "Welcome the client" in shown
    assert "/retries" not in shown
    for noun in ("retries", "dismissals"):
        assert member.post(f"/automation/firings/{firing}/{noun}").status_code == 403
    assert member.post("/automation/retries", firing=[str(firing)]).status_code == 403
    viewer = Caller(app, make_user(app, role="viewer"))
    assert viewer.get("/automation").status_code == 403
    assert 'href="/automation"' not in viewer.get("/boards").text
    assert 'href="/automation"' in member.get("/boards").text
    assert caller.post(f"/automation/firings/{uuid.uuid4()}/retries").status_code == 404


def test_what_waits_says_until_when_and_why(app: Flask, ana: Person, caller: Caller) -> None:
    card = a_card(app, ana)
    moved(app, card, "second", ana)
    perform(app)
    shown = page(caller)
    assert "Welcome the client" in shown
    assert "while the move can be undone" in shown
    with app.app_context(), transaction():
        late = {"next_attempt_at": now() - timedelta(hours=2), "attempts": 1, "last_error": "OSError: away"}
        db.session.execute(sa.update(RuleFiring).where(RuleFiring.state == "pending").values(**late))
    shown = page(caller)
    assert "What is due has waited for 2 h" in shown
    assert "OSError: away" in shown


def test_reminders_that_are_still_needed_are_listed_and_those_of_done_work_are_not(
    app: Flask, ana: Person, caller: Caller
) -> None:
    card = a_card(app, ana, title="Fibre")
    moved(app, card, "second", ana)
    shown = page(caller)
    assert "Task: Weigh it On due Fibre" in shown
    assert "SLA alert: Second Due soon Fibre" in shown
    assert "SLA alert: Second Over its time Fibre" in shown
    assert "2 SLA alerts, 1 Task" in shown
    [task] = rows(app, Task, card_id=card.id, key="weigh")
    complete(app, card, ana, task["id"])
    assert "Weigh it" not in page(caller)
    moved(app, card, "third", ana)
    assert "Nothing is to be reminded of" in page(caller)


def test_mail_that_may_not_have_arrived_is_said_at_once(
    app: Flask, ana: Person, caller: Caller, smtp_sink: SmtpSink
) -> None:
    account = make_account(app, owner=ana)
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    moved(app, card, "second", ana)
    follow_through(app)
    with app.app_context(), transaction():
        db.session.execute(sa.update(OutboxMessage).values(state="failed", last_error="550 no such person"))
    [message] = rows(app, OutboxMessage)
    shown = page(caller)
    assert "Every rule ran, but 1 message may not have arrived." in shown
    assert "550 no such person" in shown
    assert f'href="/messages/{message["id"]}"' in caller.get("/automation").text
    # Once it is sent again nobody needs to look at the first one.
    caller.post(f"/messages/{message['id']}/resends")
    assert "Everything ran" in page(caller)


def test_it_is_narrowed_to_a_playbook_by_the_address(app: Flask, ana: Person, caller: Caller) -> None:
    publish_growth(app)
    a_failure(app, ana)
    assert "1 failure waits" in page(caller, "?playbook=lab")
    other = page(caller, "?playbook=wispgate")
    assert "Nothing went wrong" in other
    assert "Welcome the client" not in other
    assert "Nothing went wrong" in page(caller, "?playbook=nothing")


def test_cards_of_withdrawn_imports_are_out_of_every_figure(app: Flask, ana: Person, caller: Caller) -> None:
    card = a_failure(app, ana)
    with app.app_context(), transaction():
        db.session.execute(
            sa.update(Card).where(Card.id == card.id).values(archived_at=now(), withdrawn_at=now())
        )
    shown = page(caller)
    assert "Nothing went wrong, and no rule has fired" in shown
    assert "Fibre" not in shown


def test_the_page_costs_the_same_however_much_has_happened(app: Flask, ana: Person, caller: Caller) -> None:
    card = a_failure(app, ana)
    like = welcome(app, card)
    counts = []
    for number in (1, 120):
        copies = [
            {
                **like,
                "id": new_id(),
                "cause": f"copy {number} {each}",
                "state": ("failed", "pending")[each % 2],
            }
            for each in range(number)
        ]
        with app.app_context(), transaction():
            db.session.execute(sa.insert(RuleFiring), copies)
        caller.get("/automation")
        with statements(app) as sent:
            assert caller.get("/automation").status_code == 200
        counts.append(len(sent))
    assert counts[0] == counts[1]
    shown = page(caller)
    assert "The latest 50 of 62." in shown
    assert "Try these 50 again" in shown
