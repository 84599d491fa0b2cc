"""The main job in a real browser: drag, be told what is missing, fix it there, advance (E5, E7, E23, E24)."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import BOARD, SOURCED, Growth, LogIn

pytestmark = pytest.mark.browser


def card(page: Page, card_id: uuid.UUID) -> Locator:
    return page.locator(f"[data-card='{card_id}']").first


def column(page: Page, stage: str) -> Locator:
    return page.locator(f"section[data-stage='{stage}']")


def target(page: Page, stage: str) -> Locator:
    """The entry of a stage in the move menu."""
    return page.locator(f".targets form:has(input[name=to_stage][value='{stage}']) button")


def drag(page: Page, card_id: uuid.UUID, stage: str) -> None:
    """Carry a card with the mouse, as a hand does: press, move in steps, let go."""
    lift(page, card_id)
    place = column(page, stage).bounding_box()
    assert place
    page.mouse.move(place["x"] + 120, place["y"] + 200, steps=12)
    page.mouse.move(place["x"] + 124, place["y"] + 204, steps=2)
    page.mouse.up()


def lift(page: Page, card_id: uuid.UUID) -> None:
    box = card(page, card_id).locator(".card-figures").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 20, steps=6)


def test_a_card_whose_gate_passes_is_dragged_and_moves(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro", ready=True)
    page = log_in(growth.member)
    page.goto(BOARD)
    drag(page, card_id, "verified")
    expect(column(page, "verified").locator(f"[data-card='{card_id}']")).to_be_visible()
    expect(page.locator("#column-header-verified .column-count")).to_have_text(re.compile("1"))
    expect(page.locator("#column-header-sourced .column-count")).to_have_text(re.compile("0"))
    expect(page.locator("#notices")).to_contain_text("moved to Verified")
    assert growth.stage_of(card_id) == "verified"


def test_picking_a_card_up_lights_where_it_may_go_and_says_why_not_elsewhere(
    growth: Growth, log_in: LogIn
) -> None:
    card_id = growth.card("Plan Pro", ready=True)
    page = log_in(growth.member)
    page.goto(BOARD)
    lift(page, card_id)
    expect(column(page, "verified")).to_have_class(re.compile("may-enter"))
    expect(column(page, "outreach_sent")).to_have_class(re.compile("may-try"))
    expect(column(page, "outreach_sent")).to_have_attribute("title", re.compile("missing"))
    page.keyboard.press("Escape")
    page.mouse.up()
    expect(column(page, "sourced").locator(f"[data-card='{card_id}']")).to_be_visible()
    assert growth.stage_of(card_id) == "sourced"


def test_a_refused_drop_puts_the_card_back_and_is_fixed_in_the_panel(growth: Growth, log_in: LogIn) -> None:
    first, second, third = (growth.card(title) for title in ("One", "Two", "Three"))
    page = log_in(growth.member)
    page.goto(BOARD)
    before = column(page, "sourced").locator(".card").evaluate_all("cards => cards.map(c => c.dataset.card)")
    drag(page, second, "verified")
    panel = page.locator("#gate-panel")
    expect(panel).to_contain_text("Source is missing.")
    expect(panel).to_contain_text("Segment is missing.")
    after = column(page, "sourced").locator(".card").evaluate_all("cards => cards.map(c => c.dataset.card)")
    assert after == before
    assert {str(first), str(second), str(third)} == set(after)
    advance = panel.locator("#gate-advance")
    expect(advance).to_be_disabled()

    panel.get_by_label("Source").select_option("referral")
    panel.get_by_label("Strong").check()
    panel.get_by_label("Country").fill("Spain")
    panel.get_by_label("Segment").select_option("fixed_wireless")
    panel.get_by_role("button", name="Save these 4 fields").click()
    expect(advance).to_be_enabled()
    advance.click()
    expect(column(page, "verified").locator(f"[data-card='{second}']")).to_be_visible()
    expect(page.locator("#gate-panel")).to_have_count(0)
    assert growth.stage_of(second) == "verified"


def test_each_kind_of_fix_works_in_the_panel(growth: Growth, log_in: LogIn) -> None:
    """Fields, checklist, talk and link are filled in without leaving the board (E7)."""
    card_id = growth.card("Plan Pro", ready=True)
    growth.move(card_id, "verified", growth.member)
    page = log_in(growth.member)
    page.goto(BOARD)
    drag(page, card_id, "outreach_sent")
    panel = page.locator("#gate-panel")
    panel.get_by_label("Verified contact").fill("Ana Ruiz")
    panel.get_by_label("Contact's email").fill("not an address")
    panel.get_by_role("button", name=re.compile("Save these")).click()
    expect(panel.locator(".field-error").first).to_contain_text("must be an email address")
    expect(panel.get_by_label("Verified contact")).to_have_value("Ana Ruiz")
    panel.get_by_label("Contact's email").fill("ana@nordwind.example")
    panel.get_by_role("button", name=re.compile("Save these")).click()
    expect(panel).not_to_contain_text("Verified contact is missing.")
    for box in panel.locator("[data-check*='checklist'] input[type=checkbox]").all():
        box.check()
    panel.get_by_role("button", name="Save ticks").click()
    expect(panel.locator("#gate-advance")).to_be_enabled()
    panel.locator("#gate-advance").click()
    expect(column(page, "outreach_sent").locator(f"[data-card='{card_id}']")).to_be_visible()


def test_after_a_fix_the_focus_stays_where_the_work_is(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro", ready=True)
    growth.move(card_id, "verified", growth.member)
    page = log_in(growth.member)
    page.goto(BOARD)
    drag(page, card_id, "outreach_sent")
    checklist = page.locator("#gate-panel [data-check*='checklist']")
    page.wait_for_function("() => document.querySelector('#drawer').classList.contains('is-settled')")
    checklist.locator("input[type=checkbox]").first.check()
    checklist.get_by_role("button", name="Save ticks").click()
    expect(checklist).to_contain_text("1 of 4")
    expect(checklist.locator(":focus")).to_have_count(1)


def test_losing_a_card_asks_for_the_reason_first(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro")
    page = log_in(growth.member)
    page.goto(f"/cards/{card_id}/targets")
    target(page, "closed_lost").click()
    panel = page.locator("#gate-panel")
    expect(panel).to_contain_text("must be answered")
    panel.get_by_label(re.compile("Why it was lost")).select_option(index=1)
    panel.get_by_role("button", name=re.compile("Move to Closed-Lost")).click()
    page.wait_for_function("() => !document.querySelector('#gate-panel')")
    assert growth.stage_of(card_id) == "closed_lost"


def test_a_gate_opened_as_a_page_asks_again_on_the_page(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro")
    page = log_in(growth.member)
    page.goto(f"/cards/{card_id}/gate?to=closed_lost")
    page.locator("#gate-advance").click()
    expect(page.locator(".field-error")).to_contain_text("must be answered")
    page.get_by_label("Why it was lost").select_option("price")
    page.locator("#gate-advance").click()
    page.wait_for_url(f"**/cards/{card_id}")
    assert growth.stage_of(card_id) == "closed_lost"


def test_two_people_on_one_card_one_wins_and_the_other_is_told_who(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro", ready=True)
    page = log_in(growth.member)
    page.goto(BOARD)
    page.evaluate("() => { document.getElementById('board').dataset.changesUrl = '/healthz' }")
    growth.move(card_id, "verified")
    drag(page, card_id, "outreach_sent")
    expect(page.locator("#notices")).to_contain_text("Mateo Manager moved this card to Verified")
    expect(column(page, "verified").locator(f"[data-card='{card_id}']")).to_be_visible()


def test_a_move_by_somebody_else_shows_within_two_seconds(growth: Growth, log_in: LogIn) -> None:
    """E24: without a reload, with their initials."""
    card_id = growth.card("Plan Pro", ready=True)
    page = log_in(growth.member)
    page.goto(BOARD)
    expect(column(page, "sourced").locator(f"[data-card='{card_id}']")).to_be_visible()
    page.wait_for_timeout(1000)
    growth.move(card_id, "verified")
    there = column(page, "verified").locator(f"[data-card='{card_id}']")
    expect(there.locator(".card-mover")).to_contain_text("MM", timeout=4000)
    expect(page.locator("#column-header-verified .column-count")).to_have_text(re.compile("1"))


def test_a_mistaken_move_is_undone_by_its_author(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro", ready=True)
    page = log_in(growth.member)
    page.goto(BOARD)
    drag(page, card_id, "verified")
    page.locator("#notices").get_by_role("button", name="Undo").click()
    expect(column(page, "sourced").locator(f"[data-card='{card_id}']")).to_be_visible()
    assert growth.stage_of(card_id) == "sourced"


def test_a_card_is_moved_by_keyboard_alone_and_the_move_is_announced(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro", ready=True)
    page = log_in(growth.member)
    page.goto(BOARD)
    card(page, card_id).focus()
    page.keyboard.press("m")
    expect(page.locator("#drawer")).to_contain_text("Move to")
    target(page, "verified").focus()
    page.keyboard.press("Enter")
    expect(column(page, "verified").locator(f"[data-card='{card_id}']")).to_be_visible()
    expect(page.locator("#board-says")).to_contain_text("moved to Verified")
    page.keyboard.press("?")
    expect(page.locator("#board-keys")).to_be_visible()


def test_on_a_phone_the_move_button_does_it(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro", ready=True)
    page = log_in(growth.member, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto(BOARD)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    card(page, card_id).get_by_role("link", name=re.compile("Move")).tap()
    target(page, "verified").tap()
    expect(page.locator("#notices")).to_contain_text("moved to Verified")
    assert growth.stage_of(card_id) == "verified"


def test_everything_works_without_a_script(growth: Growth, log_in: LogIn) -> None:
    """P12: add, be refused, fix, advance, undo is a second move back; only forms and links."""
    page = log_in(growth.member, java_script_enabled=False)
    page.goto(BOARD)
    page.get_by_role("link", name="Add card").click()
    page.locator("input[name=account]").fill("Skywave")
    page.locator("input[name=title]").fill("No script")
    page.get_by_role("button", name="Add card").click()
    expect(page.locator("h1")).to_have_text("No script")
    page.get_by_role("link", name="Move").first.click()
    target(page, "verified").click()
    expect(page.locator("#gate-panel")).to_contain_text("Source is missing.")
    page.get_by_label("Source").select_option(SOURCED["source"])
    page.get_by_label("Strong").check()
    page.get_by_label("Country").fill(SOURCED["country"])
    page.get_by_label("Segment").select_option(SOURCED["segment"])
    page.get_by_role("button", name=re.compile("Save these")).click()
    page.get_by_role("button", name="Advance to Verified").click()
    expect(page.locator("#card-view")).to_contain_text("Verified")
    expect(page.locator("#notices")).to_contain_text("Moved to Verified")


def test_a_viewer_sees_the_board_and_moves_nothing(growth: Growth, log_in: LogIn) -> None:
    card_id = growth.card("Plan Pro", ready=True)
    page = log_in(growth.viewer)
    page.goto(BOARD)
    drag(page, card_id, "verified")
    page.wait_for_timeout(500)
    assert growth.stage_of(card_id) == "sourced"
    page.goto(f"/cards/{card_id}")
    expect(page.get_by_role("button", name="Save details")).to_have_count(0)
