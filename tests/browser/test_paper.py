"""L10: what is printed shows what is, whole, and not what one could do."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Growth, LogIn

pytestmark = pytest.mark.browser

SHEET = {"width": 688, "height": 1000}  # A4 within its margins, in CSS pixels.


def test_a_card_on_paper_has_its_gate_and_tasks_and_no_buttons(growth: Growth, log_in: LogIn) -> None:
    card = growth.card("Fibre for the harbour", ready=True)
    growth.move(card, "verified")
    page = log_in(growth.manager, viewport=SHEET)
    page.goto(f"/cards/{card}")
    expect(page.get_by_role("button").first).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".card-view")).to_contain_text("Find what to open with")
    expect(page.get_by_text("Find what to open with").first).to_be_visible()
    assert page.locator(".card-view button:visible, .card-view textarea:visible").count() == 0
    path = page.locator(".path")
    assert path.evaluate("it => it.scrollWidth <= it.clientWidth"), "its last phases are cut off"


def test_a_table_on_paper_is_not_cut_off(growth: Growth, log_in: LogIn) -> None:
    growth.card("Fibre for the harbour", ready=True)
    page = log_in(growth.manager, viewport=SHEET)
    for path in ("/reports/wispgate.growth", "/reports/wispgate.growth/velocity", "/command-center"):
        page.goto(path)
        page.emulate_media(media="print")
        tables = page.locator(".data-table")
        assert tables.count() > 0, path
        cut = tables.evaluate_all("all => all.filter(it => it.scrollWidth > document.body.clientWidth)")
        assert cut == [], path
        expect(page.locator(".tab:visible")).to_have_count(1)
        page.emulate_media(media="screen")
