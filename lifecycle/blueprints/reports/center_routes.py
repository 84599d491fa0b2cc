"""The doors of the command center, and of the lists that its totals count (L10)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.reports import reports
from lifecycle.core.clock import now
from lifecycle.core.db import one_moment
from lifecycle.insight.accounts import read_facts
from lifecycle.insight.ages import AGES, age_of
from lifecycle.insight.reports.accounts import SHOWN, read_standings
from lifecycle.insight.reports.center import read_center
from lifecycle.insight.work.handoffs import handoffs_nobody_accepted
from lifecycle.insight.work.lines import PAGE, Window
from lifecycle.insight.work.sla import cards_by_sla, is_late
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import page_number, short_text
from lifecycle.web.reader import current_reader, reader_zone


@reports.get("/command-center")
def show_center() -> ResponseReturnValue:
    """Show where everything stands."""
    require(current_actor(), "reports.read")
    zone = reader_zone()
    with one_moment():
        center = read_center(now(), zone)
    return render_template("reports/center.html", center=center, ages=AGES)


@reports.get("/command-center/accounts")
def list_standings() -> ResponseReturnValue:
    """List where every account stands."""
    require(current_actor(), "reports.read")
    shown, text = request.args.get("show", "open"), short_text(request.args.get("q"))
    shown = shown if shown in SHOWN else "open"
    page, window = _window()
    with one_moment():
        found = read_standings(shown, text, current_reader(), window)
        facts = read_facts()
    return render_template(
        "reports/accounts.html",
        found=found,
        shown=shown,
        text=text,
        names=SHOWN,
        segment_name=facts.segment_name,
        **_pages(found.count, page, "reports.list_standings", show=shown, q=text or None),
    )


@reports.get("/command-center/cards")
def list_open_cards() -> ResponseReturnValue:
    """List the open cards of all boards by deadline; `only=late` those past it."""
    require(current_actor(), "reports.read")
    only_late = request.args.get("only") == "late"
    page, window = _window()
    reader = current_reader()
    found = cards_by_sla(is_late(reader.at) if only_late else sa.true(), reader, window)
    return render_template(
        "reports/open_cards.html",
        found=found,
        only_late=only_late,
        **_pages(found.count, page, "reports.list_open_cards", only="late" if only_late else None),
    )


@reports.get("/command-center/handoffs")
def list_handoffs() -> ResponseReturnValue:
    """List the handoffs that no department has accepted, of one age or all."""
    require(current_actor(), "reports.read")
    age = age_of(request.args.get("age"))
    page, window = _window()
    found = handoffs_nobody_accepted(current_reader(), window, age)
    return render_template(
        "reports/handoffs.html",
        found=found,
        age=AGES[age][0] if age is not None else "",
        **_pages(found.count, page, "reports.list_handoffs", age=age),
    )


def _window() -> tuple[int, Window]:
    page = page_number(request.args.get("page"))
    return page, Window(PAGE, (page - 1) * PAGE)


def _pages(count: int, page: int, endpoint: str, **asked: Any) -> dict[str, Any]:
    """Return which part of a list is shown, and the addresses of its neighbours."""
    first, last = (page - 1) * PAGE + 1, min(page * PAGE, count)
    return {
        "part": f"{first:,}\u2013{last:,} of {count:,}",
        "previous_url": url_for(endpoint, **asked, page=page - 1) if page > 1 else None,
        "next_url": url_for(endpoint, **asked, page=page + 1) if page * PAGE < count else None,
    }
