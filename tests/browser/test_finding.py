"""The command palette, what was seen lately, and moving what is selected, in a real browser (P4)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import flaws
from tests.browser.conftest import BOARD, Growth, LogIn
from tests.factories.cards import make_account

pytestmark = pytest.mark.browser


def test_p4_the_palette_finds_goes_and_gives_the_focus_back(growth: Growth, log_in: LogIn) -> None:
    account = make_account(growth.app, name="Müller Netz")
    card = growth.card("Überblick", "Müller Netz")
    page = log_in(growth.member)
    page.goto(f"{BOARD}?q=uber")
    page.get_by_role("link", name="Überblick", exact=True).click()
    expect(page.locator("#card-view")).to_be_visible()
    page.goto(f"/accounts/{account}")
    main = page.locator("#main")
    main.focus()
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Find, go to, begin")
    expect(box).to_be_focused()
    options = page.get_by_role("listbox", name="Results").get_by_role("option")
    expect(options.nth(0)).to_contain_text("Müller Netz")
    expect(options.nth(1)).to_contain_text("Überblick")
    height = page.locator("#palette").bounding_box()
    assert flaws(page, "#palette") == []

    box.press_sequentially("uberb", delay=10)
    expect(options.first).to_contain_text("Überblick")
    assert page.locator("#palette").bounding_box() == height
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(options.last).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", "palette-option-1")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#palette :focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(main).to_be_focused()

    page.locator("[data-palette-open]").click()
    box.press_sequentially("uberb", delay=10)
    expect(options.first).to_contain_text("Überblick")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/cards/{card}")

    page.goto("/work")
    seen = page.get_by_role("region", name="Recently seen")
    expect(seen.get_by_role("link")).to_have_count(2)
    expect(seen.get_by_role("link").first).to_contain_text("Überblick")
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    assert page.evaluate("localStorage.length") == 0


def test_p4_a_page_of_the_list_is_selected_and_moved_together(growth: Growth, log_in: LogIn) -> None:
    ready = [growth.card(f"Ready {number}", ready=True) for number in range(2)]
    lacking = growth.card("Lacking")
    page = log_in(growth.member)
    page.goto(f"{BOARD}?q=nordwind")
    page.get_by_role("link", name="List", exact=True).click()
    expect(page).to_have_url(re.compile(r"/list\?q=nordwind$"))
    page.get_by_role("link", name="Card", exact=True).click()
    page.get_by_label("Select page").check()
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.get_by_label("Select Ready 1, Nordwind Funk").uncheck()
    expect(page.get_by_text("2 selected")).to_be_visible()
    assert flaws(page) == []
    page.get_by_label("Move the selected cards to").select_option(label="Verified")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_role("heading", name="Moved 1, refused 1")).to_be_visible()
    expect(page.get_by_role("link", name="Lacking")).to_have_attribute("href", f"/cards/{lacking}")
    expect(page.get_by_text("Source is missing.")).to_be_visible()
    assert [growth.stage_of(card) for card in (*ready, lacking)] == ["verified", "sourced", "sourced"]
    page.get_by_role("link", name="Back", exact=True).click()
    expect(page).to_have_url(re.compile(r"/list\?q=nordwind&sort=card$"))


def test_p4_a_choice_in_a_filter_applies_at_once_and_keeps_the_focus(growth: Growth, log_in: LogIn) -> None:
    growth.card("Theirs", "Müller Netz")
    page = log_in(growth.member)
    page.goto(BOARD)
    owner = page.get_by_label("Owner", exact=True)
    card = page.locator(".card", has_text="Theirs")
    expect(card).to_be_visible()
    expect(page.get_by_role("button", name="Filter", exact=True)).to_be_hidden()
    page.get_by_label("Waiting on").select_option("client")
    page.wait_for_url(f"**{BOARD}?waiting=client")
    expect(page.get_by_text("No cards match")).to_be_visible()
    expect(page.get_by_label("Waiting on")).to_be_focused()
    expect(card).to_have_count(0)
    expect(owner).to_have_value("")
    page.get_by_role("link", name="Clear").click()
    expect(card).to_be_visible()


def test_p10_who_may_only_look_is_offered_nothing_that_would_be_refused(
    growth: Growth, log_in: LogIn
) -> None:
    growth.card("Theirs", "Müller Netz")
    for person, shown in ((growth.viewer, False), (growth.member, True)):
        page = log_in(person)
        page.goto(BOARD)
        expect(page.locator(".card", has_text="Theirs")).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("^Move "))).to_have_count(int(shown))
        expect(page.get_by_role("link", name=re.compile("^Add a card to"))).to_have_count(int(shown))
