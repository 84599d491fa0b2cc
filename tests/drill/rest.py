"""Healing everything, waiting until nothing is left to do, and asking the product's own books."""

from __future__ import annotations

import time
from dataclasses import replace

import psycopg

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.insight.books.reading import read_everything
from tests.drill.probes import Probes, seconds_until
from tests.drill.site import Site
from tests.drill.witness import Finding, Harm, Judged
from tests.installation import close_connections

# By how much the clock is set forward to reach the next try of what failed; the last is the retry horizon.
STEPS = (0.0, 70.0, 240.0, 1_000.0, 5_000.0, 30_000.0)
STEP_SECONDS, HURRIED_SECONDS = 75.0, 30.0

_LEFT = """
select (select count(*) from outbox_messages where state in ('due', 'held', 'claimed', 'handing_over'))
    + (select count(*) from rule_firings where state = 'pending')
    + (select count(*) from card_imports where state in ('checking', 'running'))
    + (select count(*) from client_requests where signed_at is not null and paper_id is null) as n
"""


def come_to_rest(site: Site, probes: Probes, *, hurry: bool = False) -> float:
    """Make everything well, and wait until nothing is left to do, within a horizon; return the seconds.

    The clock is set right first, and then forward, further each time: what waits for its next try gets it.
    In a hurry, nobody waits for the minute of undo to pass by itself, nor long for one step.
    """
    began = time.monotonic()
    site.mail.mode = "healthy"
    site.texts.heal()
    site.kill_order.unlink(missing_ok=True)
    for probe in (probes.page, probes.move, probes.mail(), probes.text(), probes.bulk()):
        seconds_until(probe, time.monotonic())
    for step in STEPS[3:] if hurry else STEPS:
        site.set_clock(step)
        if _wait_until_nothing_is_left(site, HURRIED_SECONDS if hurry and step < STEPS[-1] else STEP_SECONDS):
            break
    return time.monotonic() - began


def _wait_until_nothing_is_left(site: Site, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if site.rows(_LEFT)[0]["n"] == 0:
                return True
        except psycopg.Error:
            pass
        time.sleep(0.5)
    return False


def check_books(site: Site) -> list[Judged]:
    """Return what the product's own checks say of every row and of every evidence chain."""
    settings = Settings.from_env(site.environment())
    owner = replace(settings, database_url=settings.database_owner_url or settings.database_url)
    app = create_app(owner)
    try:
        with app.app_context():
            pages = read_everything()
    finally:
        close_connections(app)
    rows = Judged("books", "every book of `lifecycle books`", 0)
    evidence = Judged("evidence", "every chain verifies", 0)
    for page in pages:
        judged = evidence if page.promise == "evidence" else rows
        harm: Harm = "lost" if page.promise == "evidence" else page.promise  # type: ignore[assignment]  # All others are harms.
        judged.tried += page.looked_at
        shown = [*page.examples, *[""] * (page.broken - len(page.examples))]
        judged.findings += [Finding(harm, f"{page.name}: {example}") for example in shown]
    return [rows, evidence]
