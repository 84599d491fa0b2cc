"""What the command palette lists, and what was seen lately (P4)."""

from __future__ import annotations

import re
import uuid
from html import unescape

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.cards.models import Card
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, make_account
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.factories.statements import statements

PALETTE = "/search/palette"


@pytest.fixture
def member(app: Flask) -> Person:
    publish_lab(app, "first: {}\nsecond: {}")
    return make_user(app)


@pytest.fixture
def caller(app: Flask, member: Person) -> Caller:
    return Caller(app, member)


def _options(html: str) -> dict[str, str]:
    """Addresses by name; where several have one name, the last."""
    found = re.findall(r'role="option"[^>]*href="([^"]+)">.*?<bdi>(.*?)</bdi>', html)
    return {unescape(name): unescape(address) for address, name in found}


def test_p4_without_words_it_offers_what_was_seen_where_to_go_and_what_to_begin(
    app: Flask, member: Person, caller: Caller
) -> None:
    account = make_account(app, name="Müller Netz")
    card = a_card(app, member, account=account, title="Überblick")
    html = caller.get(f"{PALETTE}?seen=account:{account},card:{card.id}", "htmx").text
    options = _options(html)
    assert list(options)[:2] == ["Müller Netz", "Überblick"]
    assert options["Überblick"] == card.url
    assert options["Trials"] == f"/boards/{LAB}"
    assert options["My work"] == "/work"
    assert options["Add a card to Trials"] == f"/boards/{LAB}/cards/new"
    assert options["New account"] == "/accounts/new"
    assert "Import cards" not in options


def test_p4_with_words_it_lists_what_has_them(app: Flask, member: Person, caller: Caller) -> None:
    account = make_account(app, name="Müller Trials")
    card = a_card(app, member, account=account, title="Überblick <b>")
    html = caller.get(f"{PALETTE}?q=TRIÁLS&seen=card:{card.id}", "htmx").text
    assert "Recently seen" not in html
    assert "<b>" not in html
    found = re.findall(r'role="option"[^>]*href="([^"]+)"', html)
    assert found == [
        f"/accounts/{account}",
        card.url,
        f"/boards/{LAB}",
        f"/boards/{LAB}/list",
        f"/boards/{LAB}/cards/new",
        "/search?q=TRI%C3%81LS",
    ]
    assert list(_options(caller.get(f"{PALETTE}?q=nothing+at+all", "htmx").text)) == ["All results on a page"]


def test_p4_everybody_is_offered_what_they_may_do(app: Flask, member: Person) -> None:
    viewer = _options(Caller(app, make_user(app, role="viewer")).get(PALETTE, "htmx").text)
    assert not {"New account", "Add a card to Trials", "Users", "Automation"} & set(viewer)
    admin = _options(Caller(app, make_user(app, role="admin")).get(PALETTE, "htmx").text)
    assert {"Import cards", "Invite somebody", "Users", "Automation"} <= set(admin)
    stranger = app.test_client().get(PALETTE, headers={"HX-Request": "true"})
    assert (stranger.status_code, stranger.headers["HX-Redirect"].split("?")[0]) == (401, "/login")


def test_p4_what_was_seen_is_named_as_it_is_now(app: Flask, member: Person, caller: Caller) -> None:
    cards = [a_card(app, member, title=f"Card {number}") for number in range(12)]
    marks = ",".join(f"card:{card.id}" for card in cards)
    shown = re.findall(r"<bdi>(Card \d+)</bdi>", caller.get(f"/search/seen?seen={marks}").text)
    assert shown == [f"Card {number}" for number in range(10)]
    with app.app_context(), transaction():
        db.session.execute(sa.update(Card).where(Card.id == cards[0].id).values(title="Renamed"))
        withdrawn = {"withdrawn_at": now(), "archived_at": now()}
        db.session.execute(sa.update(Card).where(Card.id == cards[1].id).values(**withdrawn))
        db.session.execute(sa.update(Card).where(Card.id == cards[2].id).values(archived_at=now()))
    html = caller.get(f"/search/seen?seen=card:{cards[0].id},card:{cards[1].id},card:{cards[2].id}").text
    assert "Renamed" in html
    assert "Card 1" not in html
    assert "Archived" in html


@pytest.mark.parametrize(
    "marks", ["", ",,,", "card:", "card:x", "user:{id}", "%00", "card:{id}", "a" * 9000, "card:{id}," * 900]
)
def test_p4_strange_marks_name_nothing(caller: Caller, marks: str) -> None:
    query = marks.format(id=uuid.uuid4()) if "{id}" in marks else marks
    assert caller.get(f"/search/seen?seen={query}").text.strip() == ""
    assert caller.get(f"{PALETTE}?seen={query}", "htmx").status_code == 200


def test_p4_it_costs_the_same_statements_whatever_is_found(
    app: Flask, member: Person, caller: Caller
) -> None:
    counts = set()
    for number in (1, 6):
        made = [a_card(app, member, title="Rollout") for _ in range(number)]
        marks = ",".join(f"card:{card.id},account:{card.account}" for card in made)
        for query in ("q=rollout", f"seen={marks}"):
            with statements(app) as sent:
                caller.get(f"{PALETTE}?{query}", "htmx")
            counts.add((query[0], len(sent)))
    # The user and their departments, the boards; and five searches, or two kinds of things seen.
    assert counts == {("q", 7), ("s", 4)}


def test_p4_without_a_script_its_button_leads_to_the_search_page(caller: Caller) -> None:
    html = caller.get("/boards").text
    assert re.search(r'<a class="palette-button" href="/search" data-palette-open', html)
    assert "data-seen-list" in caller.get("/work").text
