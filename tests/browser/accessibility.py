"""What axe finds on a page that stands still."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_SETTLE = """() => document.getAnimations()
  .filter(each => each.effect.getComputedTiming().endTime !== Infinity)
  .forEach(each => each.finish())"""


def flaws(page: Page, context: str | None = None) -> list[tuple[str, str]]:
    """Return each rule that is broken and the first element that breaks it.

    What fades in is shown whole first: half shown, the best of colours has too little contrast.
    `context` is a CSS selector of the part to look at; by default all of it.
    """
    page.evaluate(_SETTLE)
    found = Axe().run(page, context=context).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found]
