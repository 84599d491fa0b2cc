"""E14: a playbook's message can be read for a real card beforehand; looking writes nothing."""

from __future__ import annotations

import uuid
from html import unescape

import pytest
from flask import Flask

from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.work.client_requests.models import ClientRequest
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, make_account, rows
from tests.factories.clients import a_contact, publish_gates
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_growth


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_gates(app)
    return make_user(app, name="Ana")


@pytest.fixture
def reader(app: Flask, ana: Person) -> Caller:
    return Caller(app, make_user(app, role="viewer"))


ASKED = "/playbooks/lab/messages/asked"


def test_it_is_filled_in_for_the_latest_card_with_a_made_up_link(
    app: Flask, ana: Person, reader: Caller
) -> None:
    account = make_account(app, name="Nordwind")
    a_contact(app, account)
    a_card(app, ana, title="Older")
    a_card(app, ana, account=account, title="Newest")
    page = reader.get(ASKED).text
    assert "For Newest" in page
    assert "Please decide, Cleo" in page
    assert "http://localhost/c/…" in page
    assert "Brings the request “Your terms” to the client" in unescape(page)
    assert "Cleo Client (cleo@client.example)" in page
    assert rows(app, OutboxMessage) == []
    assert rows(app, ClientRequest) == []


def test_a_card_is_chosen_by_words_by_id_or_in_the_address(app: Flask, ana: Person, reader: Caller) -> None:
    first, second = a_card(app, ana, title="Harbour mast"), a_card(app, ana, title="Harbour fibre")
    a_card(app, ana, title="Something else")
    by_words = reader.get(f"{ASKED}?q=harbour").text
    assert "For Harbour" in by_words
    assert "Other cards" in by_words
    assert "Something else" not in by_words
    assert "For Harbour mast" in reader.get(f"{ASKED}?q={first.id}").text
    assert "For Harbour fibre" in reader.get(f"{ASKED}?card={second.id}&q=harbour").text


def test_without_a_card_it_is_shown_as_it_is_written(reader: Caller) -> None:
    page = reader.get(ASKED).text
    assert "No card to show it with" in page
    assert "{{ request.link }}" in page
    assert "No card of this playbook matches" in reader.get(f"{ASKED}?q=nobody").text


def test_a_contact_that_only_the_card_names_is_not_written_down_by_looking(
    app: Flask, ana: Person, reader: Caller
) -> None:
    a_card(app, ana)
    assert "has no contact with an email address" in reader.get(ASKED).text
    assert rows(app, Contact) == []


@pytest.mark.parametrize(
    "address",
    [
        "/playbooks/lab/messages/nothing",
        "/playbooks/nothing/messages/asked",
        f"{ASKED}?card={uuid.UUID(int=7)}",
    ],
)
def test_what_is_not_there_is_not_found(reader: Caller, address: str) -> None:
    assert reader.get(address).status_code == 404


def test_a_card_of_another_playbook_is_not_shown(app: Flask, ana: Person, reader: Caller) -> None:
    publish_growth(app)
    other = a_card(app, ana, slug="wispgate.growth")
    assert reader.get(f"{ASKED}?card={other.id}").status_code == 404


def test_the_playbooks_page_leads_to_each_message(reader: Caller) -> None:
    assert f'href="{ASKED}"' in reader.get("/playbooks/lab").text


def test_every_message_of_the_shipped_playbook_can_be_filled_in(app: Flask, ana: Person) -> None:
    publish_growth(app)
    a_card(app, ana, slug="wispgate.growth")
    caller = Caller(app, ana)
    page = caller.get("/playbooks/wispgate").text
    names = {part.partition('"')[0] for part in page.split("/playbooks/wispgate/messages/")[1:]}
    assert len(names) > 2
    for name in names:
        preview = caller.get(f"/playbooks/wispgate/messages/{name}").text
        assert "cannot be filled in" not in preview, name
        assert "{{" not in preview, name
