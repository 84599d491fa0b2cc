"""The search box and the account pages in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from lifecycle.core.db import transaction
from lifecycle.records.accounts import changes
from tests.browser.conftest import Growth, LogIn
from tests.factories.cards import make_account

pytestmark = pytest.mark.browser


def test_the_search_box_is_walked_by_keyboard(growth: Growth, log_in: LogIn) -> None:
    account = make_account(growth.app, name="Müller Netz")
    growth.card("Überblick", "Müller Netz")
    page = log_in(growth.member)
    box = page.get_by_role("searchbox", name="Search everything")
    box.press_sequentially("muller", delay=20)
    drop = page.locator("#search-drop")
    expect(drop.get_by_role("link", name="Müller Netz").first).to_be_visible()
    expect(drop.get_by_role("link", name="Überblick")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(drop.get_by_role("link", name="Überblick")).to_be_focused()
    page.keyboard.press("Escape")
    expect(drop).to_be_empty()
    expect(box).to_be_focused()
    box.press_sequentially(" n", delay=20)
    expect(drop.get_by_role("link").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/accounts/{account}")


def test_the_list_narrows_while_typing_and_its_address_follows(growth: Growth, log_in: LogIn) -> None:
    for name in ("Müller Netz", "Nordwind Funk"):
        make_account(growth.app, name=name)
    page = log_in(growth.member)
    page.goto("/accounts")
    page.get_by_label("Name").press_sequentially("mull", delay=20)
    expect(page.get_by_role("link", name="Nordwind Funk")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/accounts\?q=mull$"))
    expect(page.get_by_label("Name")).to_be_focused()
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("mull")
    expect(page.get_by_role("link", name="Nordwind Funk")).to_have_count(0)


def test_two_people_edit_one_account_without_a_script(growth: Growth, log_in: LogIn) -> None:
    account = make_account(growth.app, name="Müller Netz")
    page = log_in(growth.member, java_script_enabled=False)
    page.goto(f"/accounts/{account}/edit")
    page.get_by_label("Notes").fill("What I typed")
    with growth.app.app_context(), transaction():
        changes.edit_account(account, {"country": "PT"}, seen_version=1, actor=growth.manager.actor)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Mateo Manager changed country of the account")).to_be_visible()
    expect(page.get_by_label("Notes")).to_have_value("What I typed")
    page.get_by_label("Country").select_option("PT")
    page.get_by_role("button", name="Save mine").click()
    expect(page.get_by_role("heading", name="Müller Netz")).to_be_visible()
    expect(page.get_by_text("What I typed").first).to_be_visible()


def test_the_timeline_is_filtered_in_place(growth: Growth, log_in: LogIn) -> None:
    card = growth.card("Überblick", "Müller Netz", ready=True)
    page = log_in(growth.member)
    page.goto("/accounts?q=müller")
    page.get_by_role("link", name="Müller Netz").click()
    timeline = page.locator("#timeline")
    expect(timeline.get_by_text("created the account Müller Netz")).to_be_visible()
    timeline.get_by_role("link", name="Moves").click()
    expect(timeline.get_by_text("created the account Müller Netz")).to_have_count(0)
    expect(timeline.get_by_role("link", name="Überblick")).to_have_attribute("href", f"/cards/{card}")
