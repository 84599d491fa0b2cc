"""W15, E7: a table is filled in within the gate panel; rows come and go, and nothing typed is lost."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import Locator, expect

from tests.browser.accessibility import flaws
from tests.browser.conftest import LogIn
from tests.browser.test_fixes import check, open_gate
from tests.factories.cards import KnownCard, a_card, card_row
from tests.factories.people import Person, make_user
from tests.factories.tables import FAILED, PASSED, publish_tables

pytestmark = pytest.mark.browser


@pytest.fixture
def member(app: Flask) -> Person:
    publish_tables(app)
    return make_user(app, name="Mina Member", departments=("bench",))


def _fill(scope: Locator, number: int, day: str, loaded: str, result: str) -> None:
    row = scope.get_by_role("group", name=f"Test runs, row {number}")
    row.get_by_label("Day").fill(day)
    row.get_by_label("Loaded").fill(loaded)
    row.get_by_label("Result").select_option(label=result)


def test_rows_come_and_go_in_the_panel_and_the_gate_opens(app: Flask, member: Person, log_in: LogIn) -> None:
    card = a_card(app, member)
    page = log_in(member)
    panel = open_gate(page, card.id)
    asked = check(panel, "field.runs")
    _fill(asked, 1, "2026-11-02", "1200", "Failed")
    asked.get_by_role("button", name="More rows").click()
    expect(asked.get_by_role("group")).to_have_count(5)
    _fill(asked, 2, "2026-11-05", "1300", "Failed")
    _fill(asked, 3, "2026-11-09", "9999", "Passed")
    asked.get_by_role("button", name="Remove row 2").click()
    expect(asked.get_by_role("group", name="Test runs, row 2").get_by_label("Loaded")).to_have_value("9999")
    assert card_row(app, card)["fields"] == {}
    asked.get_by_role("button", name="Save").click()
    expect(asked.get_by_text("Test runs, row 2: Loaded must be at most 5000.")).to_be_visible()
    asked.get_by_role("group", name="Test runs, row 2").get_by_label("Loaded").fill("1840")
    # Enter saves; it does not take the first row away.
    asked.get_by_role("group", name="Test runs, row 2").get_by_label("Loaded").press("Enter")
    expect(asked).to_have_attribute("data-state", "passed")
    kept = card_row(app, card)["fields"]["runs"]
    assert [(row["loaded"], row["result"]) for row in kept] == [(1200, "failed"), (1840, "passed")]


@pytest.mark.parametrize("width", [1440, 390])
def test_the_card_shows_its_rows_at_every_width(
    app: Flask, member: Person, log_in: LogIn, width: int
) -> None:
    card: KnownCard = a_card(app, member, fields={"runs": [FAILED, PASSED]})
    page = log_in(member, viewport={"width": width, "height": 900}, java_script_enabled=width > 400)
    page.goto(card.url)
    table = page.locator(".value-table")
    expect(table).to_contain_text("2 Nov 2026")
    page.get_by_text("Edit Test runs").click()
    form = page.locator("details").filter(has_text="Edit Test runs").last
    form.get_by_role("button", name="More rows").click()
    expect(page.locator("#card-view").get_by_role("group", name="Test runs, row 5")).to_be_visible()
    if width > 400:  # Without a script there is nothing to run it with.
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert flaws(page, "#card-view") == []
