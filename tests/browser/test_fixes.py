"""Every kind of fix, inline in the gate panel, by the people whose turn it is (E4, E7, E18)."""

from __future__ import annotations

import re
import uuid

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LogIn
from tests.factories.cards import a_card
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab

pytestmark = pytest.mark.browser

BOARD = "/boards/lab.trials"
STAGES = """
first:
  tasks: { weigh: Weigh it }
  leave:
    - field: [colour]
    - checklist: bench_clear
    - task: weigh
    - meeting: review
    - evidence: photo
    - evidence: call
      waive: manager
    - approval: { by: manager, of: [colour] }
second: {}
"""


def open_gate(page: Page, card_id: uuid.UUID) -> Locator:
    page.goto(BOARD)
    page.locator(f"[data-card='{card_id}']").first.get_by_role("link", name=re.compile("^Move")).click()
    page.locator(".targets form:has(input[value='second']) button").click()
    panel = page.locator("#gate-panel")
    expect(panel).to_be_visible()
    return panel


def check(panel: Locator, kind: str) -> Locator:
    return panel.locator(f"[data-check='first.leave.{kind}']")


def test_each_fix_is_made_in_the_panel_and_a_manager_approves_waives_and_overrides(
    app: Flask, log_in: LogIn
) -> None:
    publish_lab(app, STAGES)
    member = make_user(app, name="Mina Member", departments=("bench",))
    manager = make_user(app, role="manager", name="Mateo Manager", departments=("bench",))
    card = a_card(app, member, title="Centrifuge")

    page = log_in(member)
    panel = open_gate(page, card.id)
    expect(panel.locator("#gate-advance")).to_be_disabled()

    check(panel, "field.colour").get_by_label("Red").check()
    check(panel, "field.colour").get_by_role("button", name="Save").click()
    expect(check(panel, "field.colour")).to_have_attribute("data-state", "passed")

    for box in check(panel, "checklist.bench_clear").get_by_role("checkbox").all():
        box.check()
    check(panel, "checklist.bench_clear").get_by_role("button", name="Save ticks").click()
    expect(check(panel, "checklist.bench_clear")).to_have_attribute("data-state", "passed")

    check(panel, "task.weigh").get_by_role("button", name="Done").click()
    expect(check(panel, "task.weigh")).to_have_attribute("data-state", "passed")

    meeting = check(panel, "meeting.review")
    meeting.get_by_label("When").fill("2026-01-20T10:00")
    meeting.get_by_text("It was held already").click()
    meeting.get_by_label("Notes").fill("It spins.")
    meeting.get_by_label("Outcomes").fill("Order a rotor - Mateo Manager - 2030-01-31")
    meeting.get_by_role("button", name="Save meeting").click()
    expect(meeting).to_have_attribute("data-state", "passed")

    photo = check(panel, "evidence.photo")
    photo.get_by_text("Add a link").click()
    photo.get_by_label("Address").fill("javascript:alert(1)")
    photo.get_by_role("button", name="Add link").click()
    expect(photo.locator(".field-error")).to_contain_text("must be a web address")
    photo.get_by_label("Address").fill("https://example.com/rotor")
    photo.get_by_role("button", name="Add link").click()
    expect(photo).to_have_attribute("data-state", "passed")

    expect(check(panel, "evidence.call")).to_contain_text("may waive this")
    expect(check(panel, "evidence.call").get_by_role("button", name="Waive")).to_have_count(0)
    check(panel, "approval.manager").get_by_role("button", name="Ask for approval").click()
    expect(check(panel, "approval.manager")).to_contain_text("waits for")
    expect(panel.locator("#gate-advance")).to_be_disabled()

    boss = log_in(manager)
    panel = open_gate(boss, card.id)
    check(panel, "approval.manager").get_by_role("button", name="Approve").click()
    expect(check(panel, "approval.manager")).to_have_attribute("data-state", "passed")
    waiving = check(panel, "evidence.call")
    waiving.get_by_text("Waive this check").click()
    waiving.get_by_label("Why it may pass without").fill("They have no telephone.")
    waiving.get_by_role("button", name="Waive", exact=True).click()
    expect(waiving).to_have_attribute("data-state", "waived")
    panel.locator("#gate-advance").click()
    expect(boss.locator("section[data-stage='second']").locator(f"[data-card='{card.id}']")).to_be_visible()

    boss.goto(f"/cards/{card.id}/gate?to=first")
    boss.get_by_label("Why it goes back").fill("Weighed on the wrong scale.")
    boss.get_by_role("button", name="Move back to First").click()
    boss.wait_for_url(f"**/cards/{card.id}")
    expect(boss.locator("#timeline")).to_contain_text("Weighed on the wrong scale.")
    expect(boss.locator("#timeline")).to_contain_text("They have no telephone.")
    expect(boss.locator("#card-view")).to_contain_text("Order a rotor")
