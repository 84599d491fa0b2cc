"""What a person does on a client's page: answer what is asked, page by page, also what an answer opens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from playwright.sync_api import FilePayload, Locator, Page, expect

from lifecycle.governance.language.model import Question

MOST_STEPS = 40
ROWS_TYPED = 2
"""Rows of a table that are filled in, of however many it has: more of them prove no more."""
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
STAMPED = FilePayload(name="signed.pdf", mimeType="application/pdf", buffer=PDF)
Known = dict[str, tuple[Question, Any]]
"""Questions by key, each with its answer."""


def fill_pages(page: Page, known: Known) -> None:
    """Fill a form page by page, what an answer opens too, up to where it is looked over."""
    page.locator(".client-pages a").first.click()
    for _ in range(MOST_STEPS):
        if page.url.endswith("/review"):
            return expect(page.locator(".client-missing")).to_have_count(0)
        fill_page(page, known)
        with page.expect_navigation():
            page.get_by_role("button", name="Save and continue", exact=True).last.click()
    raise AssertionError(f"the form does not end: {page.url}")


def fill_page(page: Page, known: Known) -> None:
    """Answer all a page asks, and what it asks then; saved in between, for the page opens more by itself."""
    # The page that led here may still be on its way out.
    expect(page.locator("[data-question]").first).to_be_attached()
    typed: set[str] = set()
    while opened := [key for key in _asked_on(page) if key not in typed]:
        for key in opened:
            type_in(page, *known[key])
        typed.update(opened)
        with page.expect_navigation():
            page.get_by_role("button", name="Save", exact=True).last.click()
        expect(page.locator(".error-summary")).to_have_count(0)


def _asked_on(page: Page) -> list[str]:
    keys: list[str] = page.locator("[data-question]:not([hidden])").evaluate_all(
        "all => all.filter(it => !it.closest('[data-section][hidden]')).map(it => it.dataset.question)"
    )
    return keys


def _fill_parts(page: Page, question: Question, value: Any) -> None:
    if question.type == "address":
        for part, text in value.items():
            page.locator(f"[name='ask-{question.key}-{part}']").fill(text)
    elif question.type == "table":
        for number, row in enumerate(value[:ROWS_TYPED]):
            for column in question.columns:
                if column.key in row:
                    cell = replace(column, key=f"{question.key}-{number}-{column.key}")
                    type_in(page, cell, row[column.key])


def type_in(page: Page, question: Question, value: Any) -> None:
    if question.type in ("file", "address", "table"):
        return _fill_parts(page, question, value)
    control: Locator = page.locator(f"[name='ask-{question.key}']")
    if question.type == "choices":
        for each in value:
            page.locator(f"[name='ask-{question.key}'][value='{each}']").check()
    elif control.first.evaluate("it => it.tagName") == "SELECT":
        control.select_option(str(value))
    elif control.first.get_attribute("type") == "radio":
        page.locator(f"[name='ask-{question.key}'][value='{value}']").check()
    elif control.first.get_attribute("type") == "checkbox":
        control.first.check()
    else:
        control.first.fill(str(value))
    return None
