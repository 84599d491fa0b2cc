"""E19, P10, P12: a form on a phone, with a script and without: saved as typed, resumed elsewhere, mended."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.requests.ask import make_link
from lifecycle.governance.requests.decide import return_submission
from lifecycle.records.accounts.models import Contact
from lifecycle.records.outbox.sealed import sealed_token
from lifecycle.work.client_requests.models import ClientRequest
from tests.browser.accessibility import flaws
from tests.factories.cards import KnownCard, a_card, make_account, moved
from tests.factories.clients import a_contact, request_of
from tests.factories.consequences import follow_through, link_of
from tests.factories.forms import publish_form
from tests.factories.people import Person, make_user

pytestmark = pytest.mark.browser

PDF = {"name": "prices.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4\n1 0 obj<<>>endobj\n%%EOF\n"}


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_form(app)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind Funk")
    a_contact(app, account)
    card = a_card(app, ana, account=account, fields={"wish": "Blue"})
    moved(app, card, "survey", ana)
    follow_through(app)
    return card


@pytest.fixture
def link(app: Flask, card: KnownCard) -> str:
    return link_of(app, request_of(app, card, "survey")["id"])


def begin(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_role("button", name="Open", exact=True).click()


def fill_you(page: Page) -> None:
    page.get_by_label("Street and number").fill("Am Kai 1")
    page.get_by_label("Town").fill("Emden")
    page.get_by_label("Country").fill("Germany")
    page.get_by_label("Price", exact=True).fill("99.50")


def go_on(page: Page) -> None:
    page.get_by_role("button", name="Save and continue", exact=True).last.click()


def test_what_is_typed_is_saved_and_another_device_goes_on_with_it(
    app: Flask, card: KnownCard, link: str, open_on: Any
) -> None:
    phone = open_on()
    begin(phone, link)
    phone.get_by_role("link", name="What you sell").click()
    phone.get_by_label("Wireless", exact=True).check()
    expect(phone.locator("[data-saved]")).to_have_text(re.compile("^Saved"))
    laptop = open_on(viewport={"width": 1280, "height": 800})
    laptop.goto(link)
    laptop.get_by_role("link", name="Your towers").click()
    owner = laptop.get_by_label("Whose they are")
    expect(owner).to_be_hidden()
    laptop.get_by_label("Masts", exact=True).fill("12")
    laptop.get_by_role("group", name="Shared masts").get_by_label("Yes").check()
    # What the answer opens appears without a reload, and what cannot be is said where it was typed.
    expect(owner).to_be_visible()
    laptop.get_by_label("Masts", exact=True).fill("1200")
    expect(laptop.locator("[data-question=masts]")).to_contain_text("Masts must be at most 900.")
    laptop.get_by_label("Masts", exact=True).fill("12")
    expect(laptop.locator("[data-question=masts] .field-error")).to_have_count(0)
    permit = laptop.get_by_role("group", name="Permitted")
    permit.get_by_label("No").check()
    expect(permit.locator(".field-label + .field-error")).to_have_text("We need the permit.")
    permit.get_by_label("Yes").check()
    expect(permit.locator(".field-error")).to_have_count(0)
    assert request_of(app, card, "survey")["answers"]["masts"] == "12"


def test_what_somebody_else_wrote_meanwhile_is_shown_and_then_replaced(
    app: Flask, card: KnownCard, link: str, open_on: Any
) -> None:
    one = open_on()
    begin(one, link)
    with app.app_context(), transaction():
        colleague = a_contact(app, card.account, "Tim", email="tim@client.example", rights=["owner"])
        request = db.session.get_one(ClientRequest, request_of(app, card, "survey")["id"])
        other = make_link(request, db.session.get_one(Contact, colleague))
        theirs = f"/c/{sealed_token(f'client_links/{other.id}')}"
    two = open_on()
    for page, address in ((one, link), (two, theirs)):
        page.goto(address)
        page.get_by_role("link", name="You", exact=True).click()
    two.get_by_label("Company").fill("Nordwind AG")
    expect(two.locator("[data-saved]")).to_have_text(re.compile("^Saved"))
    one.get_by_label("Company").fill("Nordwind GmbH")
    expect(one.locator("[data-question=company] .field-error")).to_contain_text("Tim has answered")
    one.get_by_role("button", name="Save", exact=True).click()
    one.wait_for_load_state()
    assert request_of(app, card, "survey")["answers"]["company"] == "Nordwind GmbH"


@pytest.mark.parametrize("script", [True, False])
def test_the_whole_way_on_a_phone_with_return_and_mending(
    app: Flask, card: KnownCard, ana: Person, link: str, open_on: Any, script: bool
) -> None:
    page = open_on(java_script_enabled=script)
    begin(page, link)
    page.get_by_role("link", name="Begin").or_(page.get_by_role("link", name="Go on")).click()
    fill_you(page)
    go_on(page)
    page.get_by_label("Fibre", exact=True).check()
    page.locator("[name=ask-plans-0-name]").fill("Home")
    page.locator("[name=ask-plans-0-price]").fill("twenty")
    page.locator("[name=ask-lists]").set_input_files(PDF)
    go_on(page)
    expect(page.get_by_role("alert").first).to_contain_text("row 1: Price must be a number")
    expect(page.get_by_role("link", name="prices.pdf")).to_be_visible()
    page.locator("[name=ask-plans-0-price]").fill("20")
    go_on(page)
    expect(page.get_by_role("heading", name="Look it over, then send it")).to_be_visible()
    page.get_by_label("This is true.").check()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".client-page")).to_contain_text("Thank you. We got it")
    # The back button leads to what is so now.
    page.go_back()
    expect(page.locator(".client-page")).to_contain_text("Thank you. We got it")
    with app.app_context(), transaction():
        request = request_of(app, card, "survey")
        with changing_card(card.id, ana.actor, permission="client_requests.ask") as subject:
            return_submission(subject, ana.actor, request["id"], "", {"plans": "And the business plans?"})
    page.goto(link)
    page.get_by_role("link", name="Mend 1 answer").click()
    expect(page.locator(".client-comment")).to_contain_text("And the business plans?")
    expect(page.locator("[name=ask-company]")).to_have_count(0)
    page.locator("[name=ask-plans-1-name]").fill("Work")
    page.locator("[name=ask-plans-1-price]").fill("40")
    go_on(page)
    page.get_by_label("This is true.").check()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".client-page")).to_contain_text("Thank you. We got it")
    assert [plan["name"] for plan in request_of(app, card, "survey")["answers"]["plans"]] == ["Home", "Work"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 390), ("light", 1280)])
def test_axe_finds_nothing_and_nothing_runs_over_the_edge(
    link: str, open_on: Any, scheme: Any, width: int
) -> None:
    page = open_on(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(link)
    for path in (None, "", "/pages/you", "/pages/trade", "/review"):
        if path is None:
            page.get_by_role("button", name="Open", exact=True).click()
        else:
            page.goto(f"{link}{path}")
        assert flaws(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_script_and_style_of_a_client_page_are_small(link: str, open_on: Any, base_url: str) -> None:
    page = open_on()
    sizes: dict[str, int] = {}
    page.on(
        "response",
        lambda answer: (
            sizes.update({Path(answer.url).name: len(gzip.compress(answer.body()))})
            if answer.request.resource_type in ("script", "stylesheet")
            else None
        ),
    )
    begin(page, link)
    page.goto(f"{link}/pages/trade")
    page.wait_for_load_state("networkidle")
    assert len(sizes) == 2, sizes
    assert sum(sizes.values()) < 60_000, sizes
