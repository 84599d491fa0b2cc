"""E14, E27: mail about cards can be seen before it leaves, held, given a line, cancelled, and sent again."""

from __future__ import annotations

import re
import threading
import time
import uuid
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db, transaction
from lifecycle.governance.moves.undo import undo_move
from lifecycle.records.accounts.contacts import archive_contact
from lifecycle.records.evidence.models import Event
from lifecycle.records.evidence.verify import verify_chains
from lifecycle.records.outbox.compose import send_message
from lifecycle.records.outbox.models import OutboxMessage
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account, moved, rows
from tests.factories.clients import a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through, link_of, perform
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab
from tests.factories.statements import statements
from tests.installation import SmtpSink
from tests.mail import received, text_of

HELLO = "subject: 'Hello {{ contact.first_name }}'\ntext: |\n  {{ card.title }} goes on.\n"
STAGES = """
first: {}
second: { notify: { client: yes, message: hello } }
third: { notify: { owner: yes, message: hello } }
"""


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_lab(app, STAGES, files={"messages/hello.yaml": HELLO})
    return make_user(app, name="Ana")


@pytest.fixture
def caller(app: Flask, ana: Person) -> Caller:
    return Caller(app, ana)


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    return a_card(app, ana, account=account, title="Fibre for the harbour")


@pytest.fixture
def waiting(app: Flask, ana: Person, card: KnownCard) -> str:
    """The address of a message that waits until its move can no longer be undone."""
    moved(app, card, "second", ana)
    perform(app)
    [message] = rows(app, OutboxMessage)
    assert message["state"] == "held"
    return f"/messages/{message['id']}"


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def message_at(app: Flask, address: str) -> dict[str, Any]:
    [message] = rows(app, OutboxMessage, id=uuid.UUID(address.rpartition("/")[2]))
    return message


def become(app: Flask, address: str, **values: Any) -> None:
    """Put a message into a state that only a deliverer could bring it to."""
    with app.app_context(), transaction():
        db.session.execute(
            sa.update(OutboxMessage)
            .where(OutboxMessage.id == uuid.UUID(address.rpartition("/")[2]))
            .values(**values)
        )


def told(app: Flask) -> list[str]:
    """The kinds of evidence about messages, in order."""
    with app.app_context():
        kinds = db.session.scalars(
            sa.select(Event.kind).where(Event.kind.like("card.message.%")).order_by(Event.at)
        )
        return [kind.removeprefix("card.message.") for kind in kinds]


def act(caller: Caller, address: str, noun: str, **fields: Any) -> str:
    """Press a button as a browser without a script; return the page it leads to, in words."""
    answer = caller.post(f"{address}/{noun}", "page", **fields)
    assert answer.status_code == 303, answer.text
    return text(caller.get(answer.location).text)


# --- looking ---


def test_a_message_says_whom_it_goes_to_why_when_it_leaves_and_what_it_says(
    caller: Caller, card: KnownCard, waiting: str
) -> None:
    page = text(caller.get(waiting).text)
    for words in (
        "Hello Cleo",
        "cleo@client.example",
        "Waits until",
        "Fibre for the harbour goes on.",
        "Rule: Notice on entering Second",
        "None yet",
    ):
        assert words in page, words


def test_the_list_is_narrowed_by_state_and_by_card(
    app: Flask, ana: Person, caller: Caller, card: KnownCard, waiting: str
) -> None:
    other = a_card(app, ana, title="Another thing")
    moved(app, other, "third", ana)
    perform(app)
    assert caller.get("/messages").text.count('href="/messages/') >= 2
    assert "Fibre for the harbour" in caller.get(f"/messages?card={card.id}").text
    assert "Another thing" not in caller.get(f"/messages?card={card.id}").text
    assert "Hello Cleo" in caller.get("/messages?state=waiting").text
    assert "No such messages" in caller.get("/messages?state=failed").text
    become(app, waiting, state="failed", last_error="550 no such person")
    assert "550 no such person" in caller.get("/messages?state=failed").text
    assert "Hello Cleo" not in caller.get("/messages?state=waiting").text
    assert "Hello Cleo" in caller.get("/messages?playbook=lab").text
    assert caller.get("/messages?playbook=nothing").status_code == 404


def test_messages_are_found_by_whom_they_go_to_and_what_they_are_about(
    app: Flask, ana: Person, caller: Caller, card: KnownCard, waiting: str
) -> None:
    other = a_card(app, ana, account=make_account(app, owner=ana, name="Überlandnetz"), title="Another thing")
    moved(app, other, "third", ana)
    perform(app)
    for words in ("cleo", "CLIENT.example cleo", "harbour", "fibre Cleo"):
        found = caller.get(f"/messages?q={quote(words)}").text
        assert "Hello Cleo" in found, words
        assert "Another thing" not in found, words
    for words in ("uberland", "another"):
        found = caller.get(f"/messages?q={quote(words)}").text
        assert "Another thing" in found, words
        assert "Hello Cleo" not in found, words
    for words in ("nobody", "cleo another", "%", "_"):
        assert "No such messages" in caller.get(f"/messages?q={quote(words)}").text, words


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=99999999", "state=nonsense", "card=x", "page=2"])
def test_an_address_that_makes_no_sense_still_shows_a_list(caller: Caller, query: str) -> None:
    assert caller.get(f"/messages?{query}").status_code == 200


def test_an_empty_list_says_what_goes_there(caller: Caller) -> None:
    assert "No messages yet" in caller.get("/messages").text


def test_mail_about_log_ins_is_shown_to_nobody(app: Flask, ana: Person) -> None:
    with app.app_context(), transaction():
        secret = send_message(
            "invitation", to_address="new@demo.example", to_name="New", subject="Come in", text="x", html=None
        ).id
    admin = Caller(app, make_user(app, role="admin"))
    assert "Come in" not in admin.get("/messages").text
    assert admin.get(f"/messages/{secret}").status_code == 404
    assert admin.post(f"/messages/{secret}/holds").status_code == 404


def test_a_link_that_opens_something_is_never_shown(app: Flask) -> None:
    ana = make_user(app, name="Ana")
    publish_gates(app)
    account = make_account(app, owner=ana)
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    moved(app, card, "terms", ana)
    [message] = rows(app, OutboxMessage)
    page = Caller(app, ana).get(f"/messages/{message['id']}").text
    token = link_of(app, request_of(app, card, "terms")["id"]).rpartition("/")[2]
    assert "/c/[link]" in page
    assert token not in page
    assert "[[token" not in page
    assert "Asks the client: Your terms" in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"state": "claimed"}, "Being sent"),
        ({"state": "failed", "last_error": "550 gone"}, "Failed: 550 gone"),
        ({"state": "unconfirmed"}, "Unconfirmed: nobody knows whether it arrived"),
        ({"state": "cancelled"}, "Cancelled"),
        ({"state": "due", "attempts": 2, "last_error": "451 later"}, "Tried 2 times, again at"),
    ],
)
def test_every_state_is_said_in_words(
    app: Flask, caller: Caller, waiting: str, values: dict[str, Any], words: str
) -> None:
    become(app, waiting, **values)
    assert words in text(caller.get(waiting).text)


# --- before it leaves ---


def test_a_held_message_stays_until_it_is_let_go(
    app: Flask, caller: Caller, waiting: str, smtp_sink: SmtpSink
) -> None:
    assert "Held by Ana" in act(caller, waiting, "holds")
    follow_through(app)
    assert received(smtp_sink) == []
    assert "Held by Ana" in caller.get("/messages?state=held").text
    act(caller, waiting, "releases")
    follow_through(app)
    assert [message["Subject"] for message in received(smtp_sink)] == ["Hello Cleo"]
    assert told(app) == ["held", "released"]


def test_holding_twice_is_holding_and_another_persons_hold_stays(
    app: Flask, caller: Caller, waiting: str
) -> None:
    act(caller, waiting, "holds")
    act(caller, waiting, "holds")
    assert told(app) == ["held"]
    other = Caller(app, make_user(app, name="Bo"))
    assert "Ana holds it already" in act(other, waiting, "holds")
    assert "Held by Ana" in text(other.get(waiting).text)
    act(other, waiting, "releases")
    assert "Nobody holds it any more" in act(other, waiting, "releases")
    assert told(app) == ["held", "released"]


def test_a_cancelled_message_never_leaves(
    app: Flask, caller: Caller, waiting: str, smtp_sink: SmtpSink
) -> None:
    assert "Cancelled" in act(caller, waiting, "cancellations")
    follow_through(app)
    assert received(smtp_sink) == []
    assert "It was cancelled" in act(caller, waiting, "cancellations")
    assert told(app) == ["cancelled"]


def test_a_line_stands_on_top_and_can_be_changed_until_the_message_leaves(
    app: Flask, caller: Caller, card: KnownCard, waiting: str, smtp_sink: SmtpSink
) -> None:
    act(caller, waiting, "lines", line="Sorry for\nthe delay")
    act(caller, waiting, "lines", line="Sorry <b>for</b> the wait")
    page = caller.get(waiting).text
    assert "Sorry &lt;b&gt;for&lt;/b&gt; the wait" in page
    assert "added by Ana" in page
    assert message_at(app, waiting)["added_line"] == "Sorry <b>for</b> the wait"
    follow_through(app)
    [mail] = received(smtp_sink)
    assert text_of(mail).startswith("Sorry <b>for</b> the wait\n\nFibre for the harbour goes on.")
    assert "Sorry &lt;b&gt;for&lt;/b&gt; the wait" in text_of(mail, "html")
    answer = caller.post(f"{waiting}/lines", "page", line="Too late")
    assert answer.status_code == 409
    assert "It has left already" in answer.text
    assert "Too late" in answer.text
    assert told(app) == ["line_added", "line_added"]
    timeline = text(caller.get(card.url).text)
    assert "added a line to “Hello Cleo” about it" in timeline
    assert "Added line Sorry for the delay Sorry <b>for</b> the wait" in timeline


def test_a_line_can_be_taken_away(app: Flask, caller: Caller, waiting: str) -> None:
    act(caller, waiting, "lines", line="Hello again")
    act(caller, waiting, "lines", line="  ")
    assert message_at(app, waiting)["added_line"] is None
    assert message_at(app, waiting)["added_by"] is None
    assert told(app) == ["line_added", "line_removed"]
    assert caller.post(f"{waiting}/lines", "page", line="").status_code == 422


@pytest.mark.parametrize(
    "line", ["x" * 501, "[[token:user_tokens/00000000-0000-0000-0000-000000000000]]", "a [[ token:x"]
)
def test_a_line_that_cannot_stand_is_refused_and_kept_for_mending(
    app: Flask, caller: Caller, waiting: str, line: str
) -> None:
    """A line that reads like a secret's place would be mailed as the secret itself."""
    answer = caller.post(f"{waiting}/lines", "page", line=line)
    assert answer.status_code == 422
    assert line in unescape(answer.text)
    assert message_at(app, waiting)["added_line"] is None
    assert told(app) == []


@pytest.mark.parametrize("state", ["claimed", "handing_over", "sent", "failed", "unconfirmed", "cancelled"])
@pytest.mark.parametrize("noun", ["holds", "releases", "cancellations"])
def test_what_is_leaving_or_has_left_is_not_touched(
    app: Flask, caller: Caller, waiting: str, state: str, noun: str
) -> None:
    become(app, waiting, state=state)
    before = message_at(app, waiting)
    act(caller, waiting, noun)
    assert message_at(app, waiting) == before
    assert told(app) == []


def test_a_hold_that_meets_a_deliverer_waits_and_is_refused(app: Flask, caller: Caller, waiting: str) -> None:
    answers: list[str] = []
    with app.app_context():
        claim = db.engine.connect()
    with claim, claim.begin():
        claim.execute(
            sa.text("update outbox_messages set state = 'claimed', claimed_at = now() where id = :id"),
            {"id": waiting.rpartition("/")[2]},
        )
        holding = threading.Thread(target=lambda: answers.append(act(caller, waiting, "holds")))
        holding.start()
        time.sleep(0.5)
        assert answers == []
    holding.join(timeout=10)
    assert "It is being sent at this moment" in answers[0]
    assert message_at(app, waiting)["held_by"] is None


# --- afterwards ---


def test_a_failed_message_is_sent_again_as_a_new_one(
    app: Flask, caller: Caller, waiting: str, smtp_sink: SmtpSink
) -> None:
    act(caller, waiting, "lines", line="By the way")
    become(app, waiting, state="failed", last_error="550 gone")
    answer = caller.post(f"{waiting}/resends", "page")
    again = answer.location
    assert again != waiting
    old, new = message_at(app, waiting), message_at(app, again)
    assert new["resent_from"] == old["id"]
    assert new["message_id"] != old["message_id"]
    assert new["cause"].startswith("resend/")
    kept = (
        "to_address",
        "subject",
        "text_body",
        "html_body",
        "card_id",
        "contact_id",
        "thread",
        "added_line",
    )
    assert [new[key] for key in kept] == [old[key] for key in kept]
    assert old["state"] == "failed"
    assert "It is being sent again already" in act(caller, waiting, "resends")
    follow_through(app)
    [mail] = received(smtp_sink)
    assert mail["Message-ID"] == new["message_id"]
    assert text_of(mail).startswith("By the way")
    assert told(app) == ["line_added", "resent"]
    assert "sent an earlier message again, as this one" in text(caller.get(again).text)
    with app.app_context():
        assert verify_chains().faults == []


def test_what_still_waits_is_not_sent_again(caller: Caller, waiting: str) -> None:
    assert "It has not left yet" in act(caller, waiting, "resends")


def test_what_is_addressed_to_somebody_who_is_gone_is_not_sent_again(
    app: Flask, ana: Person, caller: Caller, waiting: str
) -> None:
    become(app, waiting, state="failed")
    message = message_at(app, waiting)
    with app.app_context(), transaction():
        archive_contact(message["contact_id"], actor=ana.actor)
    assert "is archived among the contacts" in act(caller, waiting, "resends")
    assert len(rows(app, OutboxMessage)) == 1


def test_a_dead_link_is_not_sent_again(app: Flask) -> None:
    ana = make_user(app, name="Ana")
    publish_gates(app)
    account = make_account(app, owner=ana)
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    outcome = moved(app, card, "terms", ana)
    with app.app_context(), transaction():
        undo_move(card.id, outcome.visit_id, actor=ana.actor)
    [message] = rows(app, OutboxMessage)
    assert message["state"] == "cancelled"
    page = act(Caller(app, ana), f"/messages/{message['id']}", "resends")
    assert "Its link opens nothing any more" in page
    assert len(rows(app, OutboxMessage)) == 1


# --- who may ---


@pytest.mark.parametrize("noun", ["holds", "releases", "cancellations", "lines", "resends"])
def test_a_viewer_looks_and_touches_nothing(app: Flask, waiting: str, noun: str) -> None:
    viewer = Caller(app, make_user(app, role="viewer"))
    page = viewer.get(waiting)
    assert page.status_code == 200
    assert f"{waiting}/{noun}" not in page.text
    assert viewer.post(f"{waiting}/{noun}", line="x").status_code == 403
    assert told(app) == []


def test_the_list_costs_the_same_however_long_it_is(
    app: Flask, ana: Person, caller: Caller, card: KnownCard, waiting: str
) -> None:
    counts = []
    for number in (1, 40):
        with app.app_context(), transaction():
            for each in range(number):
                send_message(
                    "playbook.hello",
                    to_address="a@client.example",
                    to_name=None,
                    subject=f"Mail {each}",
                    text="x",
                    html=None,
                    card_id=card.id,
                )
        caller.get("/messages")
        with statements(app) as sent:
            assert caller.get("/messages").status_code == 200
        counts.append(len(sent))
    assert counts[0] == counts[1]
