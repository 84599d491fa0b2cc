"""The pictures of the README and the docs, made from the demo, so that they show what is there.

Written to docs/pictures only when LIFECYCLE_PICTURES=1; otherwise the test only sees that they can be made.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.demo import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("demo")]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


@pytest.mark.usefixtures("demo")
def test_the_readme_shows_a_refused_move_on_the_demo_board(
    browser: Browser, base_url: str, tmp_path: Path
) -> None:
    context = browser.new_context(base_url=base_url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("E-mail").fill("member@demo.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.goto("/boards/wispgate.growth")
    blocked = page.locator("section[data-stage='verified'] .card", has_text="0 of 3").first
    card = blocked.get_attribute("data-card")
    page.evaluate(f"() => htmx.ajax('GET', '/cards/{card}/gate?to=outreach_sent', '#drawer')")
    expect(page.locator("#gate-panel #gate-advance")).to_be_visible()
    expect(page.locator("#gate-panel #gate-advance")).to_be_disabled()
    page.wait_for_timeout(500)
    keep = os.environ.get("LIFECYCLE_PICTURES") == "1"
    picture = (PICTURES if keep else tmp_path) / "board.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=picture)
    context.close()
    assert picture.stat().st_size > 20_000
