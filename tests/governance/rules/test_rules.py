"""E12: a rule fires once for its cause, after the change is safe, never blocks it, and never runs away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.automation import perform as automation
from lifecycle.governance.automation.perform import perform_one, retry_firing
from lifecycle.governance.moves.outcome import UNDO_WINDOW
from lifecycle.governance.moves.undo import undo_move
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.work.tasks.models import Task
from tests.factories.cards import a_card, fill, make_account, moved, rows, stage_of
from tests.factories.consequences import firings, follow_through, notices, perform
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.mail import received, text_of

HELLO = "subject: '{{ card.title }} moved'\ntext: |\n  {{ account.name }}: it is {{ card.pieces }} pieces.\n"
STAGES = """
first: {}
second:
  notify:
    - { departments: [office], message: hello }
  on_enter:
    - task: { title: Weigh it, due: 1 business day }
third: {}
"""


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, STAGES, files={"messages/hello.yaml": HELLO})
    return make_user(app, name="Ana", departments=["bench"])


@pytest.fixture
def ola(app: Flask, ana: Person) -> Person:
    return make_user(app, name="Ola", departments=["office"])


def publish_rules(
    app: Flask, rules: str, stages: str = "first: {}\nsecond: {}\nthird: {}", **more: Any
) -> None:
    files = {"rules.yaml": rules, "messages/hello.yaml": HELLO}
    publish_lab(app, stages, files=files, **more)


def test_a_move_sets_its_stages_rules_off_and_they_act_once_it_can_no_longer_be_undone(
    app: Flask, ana: Person, ola: Person, smtp_sink: Any
) -> None:
    card = a_card(app, ana)
    moved(app, card, "second", ana)
    assert [firing.state for firing in firings(app, card)] == ["pending", "pending"]
    perform(app)
    # Telling is prepared at once, so that it can be looked at; it waits like everything else.
    assert {firing.rule_key: firing.state for firing in firings(app, card)} == {
        "trials.second.notify.1": "done",
        "trials.second.on_enter.1": "pending",
    }
    assert rows(app, OutboxMessage)[0]["state"] == "held"
    assert rows(app, Task) == []
    follow_through(app)
    assert [task["title"] for task in rows(app, Task)] == ["Weigh it"]
    assert [message["To"] for message in received(smtp_sink)] == [f"Ola <{ola.email}>"]
    # An empty value reads as a dash, never as a hole.
    assert "it is \u2013 pieces" in text_of(received(smtp_sink)[0])


def test_an_undo_takes_back_all_of_it(app: Flask, ana: Person, ola: Person, smtp_sink: Any) -> None:
    card = a_card(app, ana)
    outcome = moved(app, card, "second", ana)
    perform(app)
    with app.app_context(), transaction():
        undo_move(card.id, outcome.visit_id, actor=ana.actor)
    follow_through(app)
    assert {firing.state for firing in firings(app, card)} == {"done", "cancelled"}
    assert rows(app, OutboxMessage)[0]["state"] == "cancelled"
    assert notices(app) == []
    assert received(smtp_sink) == []
    assert rows(app, Task) == []


def test_what_has_left_cannot_be_undone(app: Flask, ana: Person, ola: Person, smtp_sink: Any) -> None:
    """Clocks of two hosts may differ: a message that is gone is gone."""
    card = a_card(app, ana)
    outcome = moved(app, card, "second", ana)
    follow_through(app)
    with app.app_context(), pytest.raises(Exception, match="was sent"), transaction():
        undo_move(card.id, outcome.visit_id, actor=ana.actor)
    assert stage_of(app, card) == "second"


def test_a_rule_that_is_performed_again_and_again_acts_once(app: Flask, ana: Person, ola: Person) -> None:
    card = a_card(app, ana)
    moved(app, card, "second", ana)
    follow_through(app)
    with app.app_context():
        for firing in firings(app, card):
            assert not perform_one(firing.id, card.id)
    assert len(rows(app, Task)) == 1
    assert len(rows(app, OutboxMessage)) == 1


def test_a_condition_is_looked_at_when_it_happens_and_may_speak_of_the_event(app: Flask, ana: Person) -> None:
    publish_rules(
        app,
        "rules:\n  big:\n    on: stage.entered\n    stage: second\n"
        "    when: card.pieces > 10 && event.from == 'first'\n    do: [ { task: Look at it } ]\n",
    )
    small, big, unknown = (a_card(app, ana) for _ in range(3))
    fill(app, small, ana, pieces="3")
    fill(app, big, ana, pieces="30")
    for card in (small, big, unknown):
        moved(app, card, "second", ana)
    assert firings(app, small) == []
    assert [firing.state for firing in firings(app, big)] == ["pending"]
    # What cannot be told is shown, and keeps nobody from moving.
    [failed] = firings(app, unknown)
    assert failed.state == "failed"
    assert "card.pieces" in (failed.last_error or "")
    assert stage_of(app, unknown) == "second"


def test_a_field_that_changes_sets_a_rule_off_and_a_rule_sets_fields(app: Flask, ana: Person) -> None:
    publish_rules(
        app,
        "rules:\n  dated:\n    on: field.changed\n    of: pieces\n"
        "    do: [ { set_field: { field: ready_on, value: today } } ]\n",
    )
    card = a_card(app, ana)
    fill(app, card, ana, wish="Nothing")
    assert firings(app, card) == []
    fill(app, card, ana, pieces="3")
    perform(app)
    [firing] = firings(app, card)
    assert firing.state == "done"
    assert firing.results[0]["says"] == "Ready on filled in."


def test_rules_that_set_each_other_off_stop_after_five(app: Flask, ana: Person) -> None:
    publish_rules(
        app,
        "rules:\n"
        "  there: { on: stage.entered, stage: second, do: [ { move: { to: first, reason: Back } } ] }\n"
        "  back: { on: stage.entered, stage: first, do: [ { move: second } ] }\n",
        moves="- { from: second, to: first, kind: revision }",
    )
    card = a_card(app, ana)
    moved(app, card, "second", ana)
    follow_through(app)
    follow_through(app)
    states = [firing.state for firing in firings(app, card)]
    assert states[-1] == "failed"
    assert "5 times in a row" in (firings(app, card)[-1].last_error or "")
    # Six of the chain, the one that was stopped, and the one that the new card's own entry set off.
    assert len(states) == 8


def test_a_rule_whose_move_is_blocked_says_what_is_missing_and_can_be_tried_again(
    app: Flask, ana: Person
) -> None:
    publish_rules(
        app,
        "rules: { on_wish: { on: field.changed, of: wish, do: [ { move: second } ] } }",
        stages="first: { leave: [ { field: pieces } ] }\nsecond: {}",
    )
    card = a_card(app, ana)
    fill(app, card, ana, wish="Move it")
    perform(app)
    [firing] = firings(app, card)
    assert firing.state == "failed"
    assert firing.last_error == "It could not move to Second: Pieces is missing."
    assert notices(app) == [("Ana", f"{_account_name(app)}: {card.title} could not move to Second by itself")]
    fill(app, card, ana, pieces="3")
    with app.app_context(), transaction():
        retry_firing(firing.id)
    perform(app)
    assert stage_of(app, card) == "second"


def _account_name(app: Flask) -> str:
    with app.app_context():
        name: str = db.session.scalars(sa.text("select name from accounts")).one()
        return name


def test_of_several_actions_one_that_cannot_be_done_leaves_the_others_and_is_repeated_alone(
    app: Flask, ana: Person
) -> None:
    publish_rules(
        app,
        "rules:\n  both:\n    on: field.changed\n    of: wish\n"
        "    do: [ { task: First }, { notify: { client: yes, message: hello } }, { task: Third } ]\n",
    )
    account = make_account(app, owner=ana)
    card = a_card(app, ana, account=account)
    fill(app, card, ana, wish="x")
    perform(app)
    [firing] = firings(app, card)
    assert [result["ok"] for result in firing.results] == [True, False, True]
    assert "no contact with an email address" in (firing.last_error or "")
    with app.app_context(), transaction():
        db.session.execute(
            sa.text(
                "insert into contacts (id, account_id, name, email, is_verified, rights, version, created_at,"
                " updated_at) values (gen_random_uuid(), :account, 'Bo', 'bo@client.example', true, '[]', 1,"
                " now(), now())"
            ),
            {"account": account},
        )
        retry_firing(firing.id)
    perform(app)
    assert [f.state for f in firings(app, card)] == ["done"]
    assert len(rows(app, Task)) == 2
    assert [row["to_address"] for row in rows(app, OutboxMessage)] == ["bo@client.example"]


def test_an_unexpected_failure_never_touches_the_change_that_caused_it_and_is_tried_later(
    app: Flask, ana: Person, ola: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = a_card(app, ana)
    moved(app, card, "second", ana)

    def broken(keyword: str) -> Any:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(automation, "performer", broken)
    perform(app)
    assert stage_of(app, card) == "second"
    failing = next(firing for firing in firings(app, card) if firing.attempts)
    assert (failing.state, failing.attempts) == ("pending", 1)
    assert "the disk is full" in (failing.last_error or "")
    monkeypatch.undo()
    with time_machine.travel(now() + UNDO_WINDOW + timedelta(seconds=5)):
        perform(app)
    assert {firing.state for firing in firings(app, card)} == {"done"}
