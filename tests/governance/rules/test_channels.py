"""E14, E27, E4: a playbook tells teams in their channels, whatever of them an installation has set up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.moves.undo import undo_move
from lifecycle.governance.playbooks.setup import examine_setup
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.team_channels import configure
from tests.channels import ChannelServer, allowing, running_channel, set_up
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, moved, rows
from tests.factories.consequences import firings, follow_through, notices, perform
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

HELLO = "subject: '{{ card.title }} moved'\ntext: |\n  {{ account.name }} is in {{ stage.name }}.\n"
STAGES = """
first: {}
second: { notify: { channels: [delivery-alerts, nobody-listens], message: hello } }
third: { notify: { channels: delivery-alerts } }
"""
RULES = """
rules:
  turned_red:
    name: It has turned red
    on: field.changed
    of: colour
    do:
      - notify: { channels: [delivery-alerts], says: It is red. }
"""


@pytest.fixture
def ana(app: Flask) -> Person:
    files = {"messages/hello.yaml": HELLO, "rules.yaml": RULES}
    publish_lab(app, STAGES, files=files)
    return make_user(app, name="Ana")


@pytest.fixture
def hook(app: Flask) -> Iterator[ChannelServer]:
    with running_channel("webhook") as server, allowing(app, server.host):
        set_up(app, server)
        yield server


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    return a_card(app, ana, account=make_account(app, owner=ana, name="Nordwind"), title="<!channel> Fibre")


def test_a_move_tells_a_channel_once_it_can_no_longer_be_undone(
    app: Flask, ana: Person, card: KnownCard, hook: ChannelServer
) -> None:
    moved(app, card, "second", ana)
    perform(app)
    assert [row["state"] for row in rows(app, OutboxMessage)] == ["held", "held"]
    assert hook.arrived == 0
    follow_through(app)
    [said] = hook.taken
    assert said["type"] == "card.stage.entered"
    data = said["data"]
    assert data["message"] == {"subject": "<!channel> Fibre moved", "text": "Nordwind is in Second."}
    assert (data["card"]["id"], data["account"]["name"]) == (str(card.id), "Nordwind")
    assert (data["board"]["key"], data["stage"]) == ("lab.trials", {"key": "second", "name": "Second"})
    assert data["link"] == f"http://localhost/cards/{card.id}"
    states = {row["team_key"]: (row["state"], row["last_error"]) for row in rows(app, OutboxMessage)}
    assert states == {
        "delivery-alerts": ("sent", None),
        "nobody-listens": ("failed", "Not sent: no channel #nobody-listens is set up here."),
    }
    [firing] = firings(app, card)
    assert firing.results[0]["says"] == (
        "Told: #delivery-alerts (Webhook), #nobody-listens (not set up here)."
    )
    # Nobody was told in the app: no person is meant.
    assert notices(app) == []


def test_performing_a_rule_again_tells_nobody_again(
    app: Flask, ana: Person, card: KnownCard, hook: ChannelServer
) -> None:
    moved(app, card, "second", ana)
    perform(app)
    with app.app_context(), transaction():
        db.session.execute(sa.text("update rule_firings set state = 'pending', results = '[]'"))
    follow_through(app)
    assert len(hook.taken) == 1
    assert len(rows(app, OutboxMessage)) == 2


def test_an_undo_takes_it_back(app: Flask, ana: Person, card: KnownCard, hook: ChannelServer) -> None:
    outcome = moved(app, card, "third", ana)
    perform(app)
    with app.app_context(), transaction():
        undo_move(card.id, outcome.visit_id, actor=ana.actor)
    follow_through(app)
    assert hook.arrived == 0
    assert [row["state"] for row in rows(app, OutboxMessage)] == ["cancelled"]


def test_without_a_message_a_sentence_is_told(
    app: Flask, ana: Person, card: KnownCard, hook: ChannelServer
) -> None:
    moved(app, card, "third", ana)
    follow_through(app)
    [said] = hook.taken
    assert said["data"]["message"]["subject"] == "Nordwind: <!channel> Fibre is in Third"


@pytest.mark.parametrize("key", ["Delivery", "delivery_alerts", "#delivery", "-a", "a--b", "x" * 61])
@pytest.mark.parametrize("where", ["stage", "rule"])
def test_what_cannot_be_a_key_is_a_mistake(app: Flask, key: str, where: str) -> None:
    stages, files = "first: {}\nsecond: {}", {}
    if where == "stage":
        stages = f"first: {{ notify: {{ channels: ['{key}'] }} }}\nsecond: {{}}"
    else:
        rule = f"on: card.created, do: [ {{ notify: {{ channels: ['{key}'] }} }} ]"
        files = {"rules.yaml": f"rules: {{ one: {{ {rule} }} }}\n"}
    with pytest.raises(BrokenPlaybook, match="key of a channel is made of small letters"):
        publish_lab(app, stages, files=files)


def test_the_doctor_and_the_playbooks_pages_name_channels_that_are_not_there(
    app: Flask, ana: Person, hook: ChannelServer
) -> None:
    def found() -> list[str]:
        with app.app_context():
            return [
                each.sentence
                for each in examine_setup()
                if "channel" in each.sentence or "#" in each.sentence
            ]

    assert found() == ["There is no channel #nobody-listens; it is told nothing."]
    caller = Caller(app, ana)
    assert "There is no channel #nobody-listens" in caller.get("/playbooks/lab/doctor").text
    page = caller.get("/playbooks/lab").text
    assert "#delivery-alerts (Webhook)" in page
    assert "#nobody-listens (not set up here)" in page
    with app.app_context(), transaction():
        from_key = db.session.execute(sa.text("select id from team_channels")).scalar_one()
        configure.switch_off(from_key, actor=SYSTEM)
    assert "#delivery-alerts is switched off; it is told nothing." in found()


def test_e27_who_moves_it_sees_which_channels_will_be_told(
    app: Flask, ana: Person, card: KnownCard, hook: ChannelServer
) -> None:
    page = Caller(app, ana).get(f"{card.url}/gate?to=second", "htmx").text
    assert "#delivery-alerts (Webhook), #nobody-listens (not set up here), by “" in page


def test_it_is_seen_held_and_sent_again_like_mail(
    app: Flask, ana: Person, card: KnownCard, hook: ChannelServer
) -> None:
    moved(app, card, "third", ana)
    perform(app)
    [row] = rows(app, OutboxMessage)
    caller, url = Caller(app, ana), f"/messages/{row['id']}"
    chain = caller.get(f"{card.url}/visits/{row['visit_id']}").text
    assert "to #delivery-alerts (Webhook)" in chain
    assert "The client was told nothing." in chain
    assert "#delivery-alerts (Webhook)" in caller.get(card.url).text
    shown = caller.get(url).text
    assert "Webhook" in shown
    assert "Waits until" in shown
    caller.post(f"{url}/lines", line="Stand by")
    caller.post(f"{url}/holds")
    follow_through(app)
    assert hook.arrived == 0
    caller.post(f"{url}/releases")
    follow_through(app)
    assert hook.taken[0]["data"]["message"]["text"].startswith("Stand by")
    caller.post(f"{url}/resends")
    follow_through(app)
    assert len(hook.taken) == 2
    assert len(set(hook.ids)) == 2, "it is another message"
    again = [each for each in rows(app, OutboxMessage) if each["resent_from"] is not None]
    assert [(each["team_key"], each["state"]) for each in again] == [("delivery-alerts", "sent")]


@pytest.mark.parametrize(("by", "is_there"), [("", True), ("team", True), ("email", False), ("sms", False)])
def test_the_list_of_messages_is_narrowed_to_channels(
    app: Flask, ana: Person, card: KnownCard, hook: ChannelServer, by: str, is_there: bool
) -> None:
    moved(app, card, "third", ana)
    follow_through(app)
    page: Any = Caller(app, ana).get(f"/messages?by={by}")
    assert ("#delivery-alerts (Webhook)" in page.text) == is_there
