"""Account and contact pages as people use them, without a script."""

from __future__ import annotations

import re
import uuid
from html import unescape
from typing import Any

import pytest
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.records.accounts import changes, contacts
from lifecycle.records.accounts.models import Account, Contact
from tests.factories.cards import a_card, fill, make_account, rows
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_growth, publish_lab
from tests.queries import counted_queries
from tests.visitor import Visitor, logged_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ana(app: Flask, services) -> Person:
    return make_user(app, name="Ana", role="member")


@pytest.fixture
def visitor(app: Flask, ana: Person) -> Visitor:
    return logged_in(app, ana)


def one_account(app: Flask) -> dict[str, Any]:
    (account,) = rows(app, Account)
    return account


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def value_of(html: str, name: str) -> str:
    found = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', html)
    assert found, name
    return unescape(found[1])


def test_an_account_is_created_shown_and_edited(app, visitor):
    answer = visitor.send(
        "/accounts",
        page="/accounts/new",
        name="Müller <Netz>",
        country="AT",
        website="netz.example",
        notes="a\nb",
    )
    account = one_account(app)
    assert (answer.status_code, answer.location) == (303, f"/accounts/{account['id']}")
    page = visitor.open(answer.location).text
    assert "Müller &lt;Netz&gt;" in page
    assert "Austria" in page
    here = f"/accounts/{account['id']}"
    form = visitor.open(f"{here}/edit").text
    assert value_of(form, "version") == "1"
    answer = visitor.send(here, page=f"{here}/edit", version="1", name="Müller Netz", country="DE")
    assert (answer.status_code, answer.location) == (303, here)
    assert one_account(app)["country"] == "DE"


def test_an_empty_list_says_what_goes_there(visitor):
    assert "Add the first account" in visitor.open("/accounts").text
    assert "No contacts yet" in visitor.open("/contacts").text
    assert "No archived accounts" in visitor.open("/accounts?archived=1").text


def test_a_name_that_exists_is_asked_about_once(app, visitor):
    existing = make_account(app, name="Nordwind Funk")
    answer = visitor.send("/accounts", page="/accounts/new", name="NORDWIND funk", notes="typed")
    assert answer.status_code == 422
    assert f"/accounts/{existing}" in answer.text
    assert "typed" in answer.text
    assert len(rows(app, Account)) == 1
    answer = visitor.send("/accounts", page="/accounts/new", name="NORDWIND funk", another="yes")
    assert answer.status_code == 303
    assert len(rows(app, Account)) == 2
    hint = visitor.open("/accounts/namesakes?name=nordwind%20funk").text
    assert hint.count("/accounts/") == 2


def test_errors_are_said_at_their_fields_and_typing_is_kept(app, visitor):
    answer = visitor.send("/accounts", page="/accounts/new", name="", phone="12", notes="My long notes")
    assert answer.status_code == 422
    assert "Enter a name." in answer.text
    assert "+34 912 345 678" in answer.text
    assert "My long notes" in answer.text
    assert rows(app, Account) == []


def test_a_stale_form_keeps_what_was_typed_and_shows_what_changed(app, ana, visitor):
    account = make_account(app, name="Nordwind Funk", country="ES")
    bo = make_user(app, name="Bo")
    with app.app_context(), transaction():
        changes.edit_account(account, {"country": "PT", "notes": "Bo's note"}, seen_version=1, actor=bo.actor)
    here = f"/accounts/{account}"
    answer = visitor.send(
        here, page=f"{here}/edit", version="1", name="Nordwind Funk", country="FR", notes="Mine"
    )
    assert answer.status_code == 409
    told = text(answer.text)
    assert "Somebody changed this account while you were writing" in told
    assert "Bo changed" in told
    assert "Country now Portugal" in told
    assert "Notes now Bo's note" in told
    assert "Mine" in answer.text
    assert one_account(app)["country"] == "PT"
    assert value_of(answer.text, "version") == "2"
    again = visitor.send(
        here, page=f"{here}/edit", version="2", name="Nordwind Funk", country="FR", notes="Mine"
    )
    assert again.status_code == 303
    assert (one_account(app)["country"], one_account(app)["notes"]) == ("FR", "Mine")


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30, "0"])
def test_a_form_without_its_version_is_stale(app, visitor, version):
    account = make_account(app)
    here = f"/accounts/{account}"
    answer = visitor.send(here, page=f"{here}/edit", version=version, name="Mine")
    assert answer.status_code == 409


def test_an_account_with_open_cards_says_why_it_stays(app, ana, visitor):
    publish_lab(app, "first: {}\nsecond: {}")
    account = make_account(app, name="Nordwind Funk")
    a_card(app, ana, account=account)
    answer = visitor.send(f"/accounts/{account}/archive", page="/accounts/new")
    assert answer.status_code == 303
    assert "Nordwind Funk has an open card." in visitor.open(f"/accounts/{account}").text
    assert one_account(app)["archived_at"] is None


def test_an_account_is_archived_and_restored(app, visitor):
    account = make_account(app, name="Nordwind Funk")
    visitor.send(f"/accounts/{account}/archive", page="/accounts/new")
    assert "This account is archived" in visitor.open(f"/accounts/{account}").text
    assert "Nordwind" not in visitor.open("/accounts").text.partition("<main")[2].partition("notices")[0]
    assert "Nordwind" in visitor.open("/accounts?archived=1").text
    visitor.send(f"/accounts/{account}/restore", page="/accounts/new")
    assert one_account(app)["archived_at"] is None


def test_contacts_are_added_edited_archived(app, visitor):
    account = make_account(app)
    new = f"/accounts/{account}/contacts/new"
    wrong = visitor.send(f"/accounts/{account}/contacts", page=new, name="José", email="x")
    assert (wrong.status_code, "ana@example.com" in wrong.text, "José" in wrong.text) == (422, True, True)
    visitor.send(
        f"/accounts/{account}/contacts", page=new, name="José", email="j@example.com", is_verified="y"
    )
    (contact,) = rows(app, Contact)
    assert contact["is_verified"]
    here = f"/contacts/{contact['id']}"
    assert "j@example.com" in visitor.open(here).text
    stale = visitor.send(here, page=f"{here}/edit", version="7", name="Joe", email="joe@example.com")
    assert stale.status_code == 409
    assert "now j@example.com" in text(stale.text)
    saved = visitor.send(here, page=f"{here}/edit", version="1", name="Joe", email="joe@example.com")
    assert saved.status_code == 303
    assert not rows(app, Contact)[0]["is_verified"]
    visitor.send(f"{here}/archive", page="/accounts/new")
    assert "Archived: 1" in visitor.open(f"/accounts/{account}").text
    visitor.send(f"{here}/restore", page="/accounts/new")
    assert rows(app, Contact)[0]["archived_at"] is None


def test_lists_answer_fragments_with_their_address(app, visitor):
    make_account(app, name="Müller Netz", country="AT")
    make_account(app, name="Nordwind", country="DE")
    answer = visitor.open("/accounts?q=muller&owner=&segment=&country=&sort=updated&down=1", headers=HTMX)
    assert "<html" not in answer.text
    assert answer.headers["HX-Push-Url"] == "/accounts?q=muller&sort=updated&down=1"
    assert "Nordwind" not in answer.text
    assert visitor.open("/accounts?country=DE").text.count(">Nordwind<") == 1
    assert "<html" not in visitor.open("/contacts?q=x", headers=HTMX).text


@pytest.mark.parametrize(
    "address",
    [
        "/accounts?q=%00&page=0&sort=x",
        "/accounts?page=-3&owner=%27",
        "/accounts?page=999999999999999999999&q=" + "x" * 3000,
        "/accounts?segment=%00&country=%F0%9F%98%80&archived=2",
        "/contacts?page=abc&sort=%00",
        "/accounts/options?q=%00%25",
        "/accounts/options",
        "/accounts/namesakes?name=%00",
        "/accounts/new?name=%3Cscript%3E",
    ],
)
def test_a_strange_address_is_answered(visitor, address):
    answer = visitor.open(address)
    assert answer.status_code == 200
    assert "<script>" not in answer.text


def test_what_is_not_there_is_a_page_that_says_so(visitor):
    nowhere = uuid.uuid4()
    for address in (
        f"/accounts/{nowhere}",
        f"/accounts/{nowhere}/edit",
        f"/contacts/{nowhere}",
        "/accounts/nonsense",
    ):
        assert visitor.open(address).status_code == 404, address
    assert (
        visitor.send(f"/accounts/{nowhere}", page="/accounts/new", name="x", version="1").status_code == 404
    )


def test_viewers_read_and_change_nothing(app, services):
    account = make_account(app)
    viewer = logged_in(app, make_user(app, role="viewer"))
    page = viewer.open(f"/accounts/{account}")
    assert page.status_code == 200
    assert f"/accounts/{account}/edit" not in page.text
    assert "/accounts/new" not in viewer.open("/accounts").text
    for address in ("/accounts/new", f"/accounts/{account}/edit", f"/accounts/{account}/contacts/new"):
        assert viewer.open(address).status_code == 403, address
    for address in (
        "/accounts",
        f"/accounts/{account}",
        f"/accounts/{account}/archive",
        f"/accounts/{account}/contacts",
    ):
        assert viewer.send(address, page="/profile", name="x", version="1").status_code == 403, address
    assert one_account(app)["version"] == 1


def test_strangers_are_asked_to_log_in(app, services):
    stranger = Visitor(app)
    for address in ("/accounts", "/contacts", "/search?q=x", f"/files/{uuid.uuid4()}", "/evidence"):
        assert stranger.open(address).location.startswith("/login"), address


def test_a_page_costs_as_many_queries_for_many_as_for_one(app, ana, visitor):
    publish_lab(app, "first: {}\nsecond: {}")
    account = make_account(app, owner=ana)
    costs = []
    for count in (1, 5):
        for _ in range(count):
            fill(app, a_card(app, ana, account=account), ana, wish="x")
            with app.app_context(), transaction():
                contacts.create_contact(account, {"name": "Somebody"}, actor=ana.actor)
            make_account(app, owner=ana)
        visitor.open(f"/accounts/{account}")
        for address in (f"/accounts/{account}", "/accounts", "/contacts"):
            with counted_queries(app) as sent:
                assert visitor.open(address).status_code == 200
            costs.append(len(sent))
    assert costs[:3] == costs[3:]
    assert max(costs) <= 14


def test_options_tell_namesakes_apart(app, visitor):
    one = make_account(app, name="Nordwind", country="AT")
    make_account(app, name="NORDWIND", country="DE")
    options = visitor.open("/accounts/options?account=nordw").text
    assert options.count("<option") == 2
    assert f"Nordwind [{one.hex[-8:]}]" in options
    assert "Austria" in options


def test_the_timeline_is_filtered_and_continued(app, ana, visitor):
    publish_growth(app)
    account = make_account(app)
    with app.app_context():
        for number in range(1, 60):
            with transaction():
                changes.edit_account(
                    account, {"notes": f"Note {number}"}, seen_version=number, actor=ana.actor
                )
    page = visitor.open(f"/accounts/{account}").text
    assert page.count('class="timeline-entry"') == 50
    more = re.search(r'href="(/accounts/[^"]*before=[^"]*)"', page)
    assert more
    rest = visitor.open(unescape(more[1]) + "&part=entries", headers=HTMX).text
    assert rest.count('class="timeline-entry"') == 9
    assert "<nav" not in rest
    assert visitor.open(unescape(more[1])).text.count('class="timeline-entry"') == 9
    section = visitor.open(f"/accounts/{account}/timeline?show=people", headers=HTMX).text
    assert "Nothing of that kind yet" in section
    assert visitor.open(f"/accounts/{account}/timeline?before=nonsense&show=%00").status_code == 200


def test_segments_are_those_of_the_playbook(app, visitor):
    # The lab, which comes first, says nothing of segments.
    publish_lab(app, "first: {}")
    publish_growth(app)
    make_account(app, name="Nordwind", segment="fixed_wireless")
    make_account(app, name="Südwind", segment="something old")
    page = visitor.open("/accounts").text
    assert page.count(">Fixed wireless<") == 2
    assert "something old" in page
    assert '<option value="fibre">Fibre</option>' in visitor.open("/accounts/new").text
