"""L10, E16: a manager goes from the command center to a number, its cards, one card's evidence, and back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Growth, LogIn

pytestmark = pytest.mark.browser


def test_a_manager_follows_a_number_to_its_evidence_and_back(growth: Growth, log_in: LogIn) -> None:
    card = growth.card("Rollout in the valley", ready=True)
    growth.card("Waits in the first stage")
    growth.move(card, "verified")
    page = log_in(growth.manager)
    page.get_by_role("link", name="Command center").click()
    expect(page.get_by_role("heading", name="Command center")).to_be_visible()
    row = page.get_by_role("row").filter(has_text=re.compile("^ *Verified"))
    row.get_by_role("link", name="1").first.click()
    expect(page.get_by_role("heading", name="In Verified now")).to_be_visible()
    expect(page.get_by_text("Waits in the first stage")).to_have_count(0)
    page.get_by_role("link", name="Rollout in the valley").click()
    timeline = page.locator("#timeline, [id^=timeline]").first
    expect(timeline.get_by_text("Verified").first).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="In Verified now")).to_be_visible()
    page.get_by_role("link", name="Growth").last.click()
    expect(page.get_by_role("heading", name="How far they got")).to_be_visible()
    page.get_by_role("link", name="Velocity").click()
    expect(page.get_by_role("heading", name="Time in stage")).to_be_visible()
    page.get_by_role("link", name="Command center").first.click()
    expect(page.get_by_role("heading", name="Command center")).to_be_visible()
