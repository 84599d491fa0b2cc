"""A board in swimlanes (E26): a card is dragged along its lane, and others' moves appear in theirs."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests.browser.conftest import LogIn
from tests.factories.cards import a_card, make_account, moved, stage_of
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab

pytestmark = pytest.mark.browser


def test_e26_a_card_is_dragged_along_its_lane_and_others_moves_appear_in_theirs(
    app: Flask, log_in: LogIn
) -> None:
    publish_lab(app, "first: {}\nsecond: {}")
    mina, jonas = make_user(app, name="Mina Okafor"), make_user(app, name="Jonas Keller")
    mine = a_card(app, mina, account=make_account(app, owner=mina))
    theirs = a_card(app, jonas, account=make_account(app, owner=jonas))
    page = log_in(mina)
    page.goto("/boards/lab.trials")
    page.get_by_role("link", name="Lanes").click()
    lane = page.locator(".lane", has_text="Mina Okafor")
    target = lane.locator("[data-stage='second']")
    page.locator(f"#card-{mine.id} .card-title").drag_to(target, steps=12)
    expect(target.locator(f"#card-{mine.id}")).to_be_visible()
    expect(page.locator(".notice").first).to_contain_text("moved to Second")
    assert stage_of(app, mine) == "second"

    moved(app, theirs, "second", jonas)
    other = page.locator(".lane", has_text="Jonas Keller")
    expect(other.locator(f"[data-stage='second'] #card-{theirs.id}")).to_be_visible(timeout=10_000)
    expect(page.locator(".lane .card")).to_have_count(2)
