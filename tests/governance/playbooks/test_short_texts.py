"""E14: the short text of a message is judged when it is published, and never cut when it is sent."""

from __future__ import annotations

import pytest
from flask import Flask

from lifecycle.records.outbox.models import OutboxMessage
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, make_account, moved, rows
from tests.factories.clients import ASKED, a_contact, publish_gates, request_of
from tests.factories.consequences import follow_through, link_of
from tests.factories.people import make_user
from tests.factories.reach import PHONE
from tests.governance.playbooks.writing import THANKS, compiled, files, mistakes
from tests.sms import running_sms_server, sending_by

SHORT = "sms: 'Please decide by {{ request.due }}: {{ request.link }}'\n"


def with_sms(text: str) -> dict[str, str]:
    return files(thanks=f"{THANKS}sms: |\n  {text}\n")


def test_a_short_text_is_part_of_the_playbook():
    playbook = compiled(with_sms("Your {{ card.loaf }} is ready."))
    assert playbook.messages["thanks"].sms == "Your {{ card.loaf }} is ready."
    assert compiled(files()).messages["thanks"].sms is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{{ card.loav }}", "sms: 'card.loav' is nothing a message can show; did you mean 'card.loaf'?"),
        ("{{ self.__init__ }}", "is nothing a message can show"),
        ("{% for x in card %}{% endfor %}", "cannot stand in a message"),
        ("{{ card.loaf|attr('x') }}", "'attr' is not a filter of messages"),
        ("{{ card.loaf", "sms: line 1 of the text"),
        ("x" * (6 * 153 + 1), "an SMS of 7 parts, its places left empty, is too long"),
        ("я" * (6 * 67 + 1), "an SMS of 7 parts, its places left empty, is too long"),
        ("{% if card.loaf %}" + "x" * 919 + "{% endif %}", "an SMS of 7 parts"),
        ("{{ card.loaf" + "|lower" * 200 + " }}", "sms: too much stands within other"),
    ],
)
def test_a_mistake_in_it_is_found_when_it_is_published(text: str, sentence: str):
    found = mistakes(with_sms(text))
    assert any("messages/thanks.yaml" in line and sentence in line for line in found), found


def test_as_much_as_fits_is_taken():
    assert mistakes(with_sms("x" * (6 * 153))) == []
    assert mistakes(with_sms("{% if card.loaf %}" * 20 + "x" + "{% endif %}" * 20)) == []


def test_a_short_text_that_asks_without_the_link_is_found():
    asking = "subject: S\ntext: |\n  See:\n\n  {{ request.link }}\n"
    found = mistakes(files(thanks=asking + "sms: Please look at your mail.\n"))
    assert any("the text has {{ request.link }} and the SMS has not" in line for line in found), found
    others = mistakes(files(thanks=asking + "sms: 'Here: {{ request.link }}'\n"))
    assert [line for line in others if "SMS" in line] == []


@pytest.mark.parametrize(
    ("asked", "begins"), [(ASKED + SHORT, "Please decide by "), (ASKED, "Please decide, Cleo\n")]
)
def test_a_request_by_sms_brings_the_link_that_opens_it(app: Flask, asked: str, begins: str) -> None:
    publish_gates(app, files={"messages/asked.yaml": asked})
    ana = make_user(app)
    account = make_account(app, owner=ana)
    a_contact(app, account, phone=PHONE, channel="sms")
    card = a_card(app, ana, account=account)
    with running_sms_server("twilio") as server, sending_by(app, server.account):
        moved(app, card, "terms", ana)
        follow_through(app)
        [text] = server.texts
    link = link_of(app, request_of(app, card, "terms")["id"])
    assert text.startswith(begins)
    assert text.endswith(f"http://localhost{link}")
    # As with mail, whoever reads the database or the page about it can open nothing.
    [message] = rows(app, OutboxMessage)
    assert link.rpartition("/")[2] not in str(message)
    page = Caller(app, ana).get(f"/messages/{message['id']}").text
    assert "[link]" in page
    assert link not in page


def test_a_preview_shows_the_sms_with_its_parts(app: Flask) -> None:
    publish_gates(app, files={"messages/asked.yaml": ASKED + SHORT})
    ana = make_user(app)
    account = make_account(app, owner=ana)
    a_contact(app, account)
    a_card(app, ana, account=account)
    page = Caller(app, ana).get("/playbooks/lab/messages/asked").text
    assert "As an SMS" in page
    assert "Its own short text" in page
    # The made-up link is as long as a real one, and its dots are not counted as a letter no phone knows.
    assert ">1 part<" in page
