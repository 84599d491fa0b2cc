"""P10: axe finds nothing on any client page, at phone and desktop size, in light and dark."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from lifecycle.core.db import transaction
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.playbooks.publish import publish
from lifecycle.governance.requests.decide import ask_client
from lifecycle.records.people.actor import SYSTEM
from tests.browser.accessibility import flaws
from tests.browser.conftest import OpenOn
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, make_account
from tests.factories.clients import a_contact, request_of
from tests.factories.consequences import follow_through, link_of
from tests.factories.people import Person, make_user
from tests.factories.playbooks import shipped
from tests.installation import SmtpSink
from tests.mail import received, text_of

pytestmark = pytest.mark.browser

SIZES = [("light", 390), ("dark", 390), ("light", 1440), ("dark", 1440)]
ORDER, ACCEPTED = "submit_order", "accept_subscription"


@pytest.fixture
def card(app: Flask, smtp_sink: SmtpSink) -> KnownCard:
    """A card whose client was asked to order and to accept, has a home, and was sent credentials."""
    with app.app_context(), transaction():
        publish(shipped("wispgate"), SYSTEM)
    ana = make_user(app, role="admin", name="Ana")
    account = make_account(app, owner=ana, country="ES", segment="fibre", name="Nordwind Funk")
    contact = a_contact(app, account, rights=["owner", "technical", "billing", "signatory"])
    with app.app_context(), transaction():
        made = create_card(
            "wispgate.delivery", actor=ana.actor, channel="page", account_id=account, title="Fibre"
        )
        card = KnownCard(made.id, made.visit_id, account, made.title)
    for key in (ORDER, ACCEPTED):
        _ask(app, ana, card, key)
    staff = Caller(app, ana)
    staff.post(f"/contacts/{contact}/homes")
    staff.post(
        f"/cards/{card.id}/credentials", contact=str(contact), title="Your log-in", text="horse battery"
    )
    follow_through(app)
    return card


def _ask(app: Flask, ana: Person, card: KnownCard, key: str) -> None:
    with (
        app.app_context(),
        transaction(),
        changing_card(card.id, ana.actor, permission="client_requests.ask") as subject,
    ):
        ask_client(subject, ana.actor, key)


def _latest(mailbox: SmtpSink, door: str) -> str:
    paths: list[str] = [
        path for mail in received(mailbox) for path in re.findall(rf"/{door}/[\w-]+", text_of(mail))
    ]
    return paths[-1]


def _look(page: Page, width: int, where: str) -> None:
    assert flaws(page) == [], where
    assert page.evaluate("document.documentElement.scrollWidth") <= width, where


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), SIZES)
def test_axe_finds_nothing_on_any_client_page(
    app: Flask, card: KnownCard, smtp_sink: SmtpSink, open_on: OpenOn, scheme: str, width: int
) -> None:
    page = open_on(color_scheme=scheme, viewport={"width": width, "height": 844})
    order, accepted = (link_of(app, request_of(app, card, key)["id"]) for key in (ORDER, ACCEPTED))
    home, secret = _latest(smtp_sink, "p"), _latest(smtp_sink, "s")

    def see(path: str, *paths: str) -> None:
        for each in (path, *paths):
            page.goto(each)
            _look(page, width, each)

    def press(name: str) -> None:
        with page.expect_navigation():
            page.get_by_role("button", name=name, exact=True).click()
        _look(page, width, f"{page.url} after {name}")

    see("/c/nothing", "/c/nothing/at/all", "/p/nothing", "/s/nothing")
    see(order)
    press("Open")
    pages = [f"{order}/pages/{key}" for key in ("company", "billing", "subscription", "legal")]
    see(*pages, f"{order}/review", f"{order}/legal/terms_of_service")
    # With all that can be wrong, opened or commented.
    page.goto(pages[0])
    page.locator("[name=ask-domain]").fill("no domain at all ###")
    press("Save")
    page.goto(f"{order}/review")
    press("Email me the code")
    press("Sign and order")
    page.goto(order)
    page.get_by_text("I am stuck", exact=True).click()
    press("Tell us")

    see(accepted)
    press("Open")
    page.get_by_text("I do not agree", exact=True).click()
    page.get_by_label("What is wrong with it?").fill("The price.")
    press("Decline")

    see(home)
    press("Open")
    see(f"{home}/preferences")
    press("Save")
    see(secret)
    page.get_by_role("button", name=re.compile("code")).first.click()
    follow_through(app)
    code = re.search(r"^(\d{6})$", text_of(received(smtp_sink)[-1]), flags=re.MULTILINE)
    assert code
    page.locator("[name=code]").fill("000")
    page.locator("form[action$='/views'] button").click()
    _look(page, width, "a wrong code")
    page.locator("[name=code]").fill(code[1])
    page.locator("form[action$='/views'] button").click()
    expect(page.locator(".client-secret")).to_have_text("horse battery")
    _look(page, width, "credentials")
    page.goto(secret)
    _look(page, width, "credentials that were seen")
