"""P10, P11: a client's page in another language, as a browser shows it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests.browser.accessibility import flaws
from tests.factories.cards import a_card, make_account, moved
from tests.factories.clients import a_contact, request_of
from tests.factories.consequences import follow_through, link_of
from tests.factories.forms import FORM, publish_form
from tests.factories.people import make_user

pytestmark = pytest.mark.browser


@pytest.fixture
def link(app: Flask, smtp_sink: Any) -> str:
    publish_form(app, FORM + "sign: photo\n")
    ana = make_user(app, name="Ana", role="manager", departments=["bench"])
    account = make_account(app, owner=ana, name="Nordwind Funk")
    a_contact(app, account, language="fr")
    card = a_card(app, ana, account=account, fields={"wish": "Blue"})
    moved(app, card, "survey", ana)
    follow_through(app)
    return link_of(app, request_of(app, card, "survey")["id"])


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_an_arabic_page_is_mirrored_and_axe_finds_nothing(
    link: str, open_on: Any, scheme: Any, width: int
) -> None:
    page = open_on(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(link)
    page.get_by_role("button", name="العربية").click()
    page.get_by_role("button", name="فتح").click()
    for path in ("", "/pages/you", "/pages/trade", "/review"):
        page.goto(f"{link}{path}")
        assert page.locator("html").get_attribute("dir") == "rtl"
        assert flaws(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    # What begins a line stands at the right, and arrows point to the left.
    page.goto(f"{link}/pages/you")
    box = page.locator("label[for=ask-company]").bounding_box()
    assert box
    assert box["x"] + box["width"] > width / 2
    assert (
        page.locator(".icon-points")
        .first.evaluate("icon => getComputedStyle(icon).transform")
        .startswith("matrix(-1")
    )


def test_a_choice_stays_and_the_script_speaks_it_too(link: str, open_on: Any) -> None:
    page = open_on(locale="en-GB", java_script_enabled=True)
    page.goto(link)
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.get_by_role("button", name="Ouvrir").click()
    page.goto(f"{link}/pages/you")
    page.get_by_role("button", name="Español").click()
    expect(page).to_have_url(f"{page.url.split('/c/')[0]}{link}/pages/you")
    page.get_by_label("Company").fill("Nordwind")
    expect(page.locator("[data-saved]")).to_contain_text("Guardado a las")
    expect(page.get_by_role("button", name="Español")).to_have_attribute("aria-current", "true")
