"""A full column, and a manager who lets one more card in (E26)."""

from __future__ import annotations

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests.browser.conftest import LogIn
from tests.factories.cards import a_card, moved, stage_of
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab

pytestmark = pytest.mark.browser


def test_e26_a_manager_lets_one_more_card_into_a_full_column_and_sees_it_beside_the_notice(
    app: Flask, log_in: LogIn
) -> None:
    publish_lab(app, "first: {}\nsecond: { limit: { cards: 1, hard: yes } }")
    manager = make_user(app, role="manager")
    moved(app, a_card(app, manager), "second", manager)
    card = a_card(app, manager)
    page = log_in(manager)
    page.goto("/boards/lab.trials")
    header = page.locator("#column-header-second")
    expect(header).to_contain_text("Full")
    page.locator(f"#card-{card.id}").focus()
    page.keyboard.press("m")
    page.locator(".targets form:has(input[value='second']) button").click()
    page.get_by_label("Let it in all the same").check()
    page.get_by_label("Why one more may come").fill("Promised by Friday")
    page.locator("#gate-advance").click()
    expect(header).to_contain_text("Over limit")
    assert stage_of(app, card) == "second"
    expect(page.locator(".notice")).to_contain_text("Second now holds 2 cards, 1 at most.")
    page.wait_for_function(
        "document.querySelector('.column-cards').getBoundingClientRect().bottom"
        " <= document.querySelector('.notice').getBoundingClientRect().top"
    )
