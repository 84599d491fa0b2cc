"""The pictures of the README and the docs, made from the demo, so that they show what is there.

Written to docs/pictures only when LIFECYCLE_PICTURES=1; otherwise the test only sees that they can be made.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from lifecycle.core.db import db
from lifecycle.work.client_requests.models import WAITING_STATUSES, ClientLink, ClientRequest
from tests.demo import PASSWORD
from tests.factories.consequences import link_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("demo")]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


@pytest.mark.usefixtures("demo")
def test_the_readme_shows_a_refused_move_on_the_demo_board(
    browser: Browser, base_url: str, tmp_path: Path
) -> None:
    context = browser.new_context(base_url=base_url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Email").fill("member@demo.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.goto("/boards/wispgate.growth")
    blocked = page.locator("section[data-stage='verified'] .card", has_text="0 of 3").first
    card = blocked.get_attribute("data-card")
    page.evaluate(f"() => htmx.ajax('GET', '/cards/{card}/gate?to=outreach_sent', '#drawer')")
    expect(page.locator("#gate-panel #gate-advance")).to_be_visible()
    expect(page.locator("#gate-panel #gate-advance")).to_be_disabled()
    page.wait_for_timeout(500)
    _take(page, "board", tmp_path)
    context.close()


@pytest.mark.usefixtures("demo")
def test_the_readme_shows_a_questionnaire_on_a_phone(
    app: Flask, browser: Browser, base_url: str, tmp_path: Path
) -> None:
    with app.app_context():
        request_id = db.session.scalars(
            sa.select(ClientRequest.id)
            .join(ClientLink, ClientLink.request_id == ClientRequest.id)
            .where(
                ClientRequest.key == "scoping_questionnaire",
                ClientRequest.status.in_(WAITING_STATUSES),
                ClientLink.revoked_at.is_(None),
                ClientLink.expires_at > sa.func.now(),
            )
            .order_by(ClientRequest.created_at.desc(), ClientRequest.id)
            .limit(1)
        ).one()
    context = browser.new_context(
        base_url=base_url, viewport={"width": 390, "height": 844}, device_scale_factor=2
    )
    # Whoever the contact is: the pictures are for readers of English.
    context.add_cookies([{"name": "language", "value": "en", "url": base_url}])
    page = context.new_page()
    page.goto(link_of(app, request_id))
    if (opening := page.get_by_role("button", name="Open", exact=True)).is_visible():
        opening.click()
    expect(page.get_by_role("link", name="Your subscribers")).to_be_visible()
    _take(page, "questionnaire", tmp_path)
    page.get_by_role("link", name="Your subscribers").click()
    expect(page.get_by_role("heading", name="Your subscribers", level=1)).to_be_visible()
    _take(page, "questionnaire-page", tmp_path)
    context.close()


def _take(page: Page, name: str, elsewhere: Path) -> None:
    keep = os.environ.get("LIFECYCLE_PICTURES") == "1"
    picture = (PICTURES if keep else elsewhere) / f"{name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=picture)
    assert picture.stat().st_size > 20_000
