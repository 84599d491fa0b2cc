"""The doors of the reports: each page as it stood at one moment, and the cards behind each of its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.reports import reports
from lifecycle.core.db import one_moment
from lifecycle.core.errors import Invalid
from lifecycle.insight.boards.directory import list_people
from lifecycle.insight.reports import words
from lifecycle.insight.reports.cards import PAGE, Figure, read_behind
from lifecycle.insight.reports.funnel import read_funnel
from lifecycle.insight.reports.groups import GROUPS, read_groups, read_trend
from lifecycle.insight.reports.scope import DIMENSIONS, Scope, read_choices, read_scope
from lifecycle.insight.reports.tables import funnel_csv, velocity_csv
from lifecycle.insight.reports.velocity import STAYS, TIMES, in_words, read_velocity
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import page_number
from lifecycle.web.reader import reader_zone

Found = TypeVar("Found")


@reports.get("/reports/<slug>")
def show_funnel(slug: str) -> ResponseReturnValue:
    """Show how far cards got; `by` splits the cohort."""
    require(current_actor(), "reports.read")
    by = request.args.get("by", "")
    with one_moment():
        scope, problem = _scope(slug)
        figures = {
            "found": read_funnel(scope),
            "groups": read_groups(scope, by) if by in GROUPS else [],
            "before": _earlier(scope, read_funnel),
            "trend": read_trend(scope),
            **_controls(scope),
        }
    return _page("funnel", scope, problem, by=by, group_names=GROUPS, **figures)


@reports.get("/reports/<slug>/velocity")
def show_velocity(slug: str) -> ResponseReturnValue:
    """Show how long it takes; `time` and `stays` say what is measured."""
    require(current_actor(), "reports.read")
    with one_moment():
        scope, problem = _scope(slug)
        measure = request.args.get("time", ""), request.args.get("stays", "")
        figures = {
            "found": read_velocity(scope, *measure),
            "before": _earlier(scope, lambda earlier: read_velocity(earlier, *measure)),
            **_controls(scope),
        }
    return _page("velocity", scope, problem, times=TIMES, stays=STAYS, **figures)


@reports.get("/reports/<slug>/cohorts")
def show_cohorts(slug: str) -> ResponseReturnValue:
    """Show what became of the cards that began in each month, and how long it took."""
    require(current_actor(), "reports.read")
    with one_moment():
        scope, problem = _scope(slug)
        figures = {"cohorts": read_groups(scope, "month"), **_controls(scope)}
    return _page("cohorts", scope, problem, **figures)


@reports.get("/reports/<slug>/cards")
def list_cards(slug: str) -> ResponseReturnValue:
    """List the cards that a figure counts."""
    require(current_actor(), "reports.read")
    asked = {key: request.args.get(key, "") for key in ("figure", "stage", "time", "stays", "reason")}
    with one_moment():
        scope, problem = _scope(slug)
        behind = read_behind(scope, Figure(*asked.values()), page_number(request.args.get("page")))
    return _page("cards", scope, problem, behind=behind, asked=asked, page_size=PAGE)


@reports.get("/reports/<slug>.csv")
def export_funnel(slug: str) -> ResponseReturnValue:
    """Give the funnel as CSV."""
    require(current_actor(), "reports.read")
    with one_moment():
        lines = funnel_csv(read_funnel(read_scope(slug, request.args, reader_zone())))
    return _attachment(lines, f"{slug}-funnel.csv")


@reports.get("/reports/<slug>/velocity.csv")
def export_velocity(slug: str) -> ResponseReturnValue:
    """Give the times as CSV."""
    require(current_actor(), "reports.read")
    with one_moment():
        scope = read_scope(slug, request.args, reader_zone())
        lines = velocity_csv(
            read_velocity(scope, request.args.get("time", ""), request.args.get("stays", ""))
        )
    return _attachment(lines, f"{slug}-velocity.csv")


def _scope(slug: str) -> tuple[Scope, str]:
    """Return the scope that the address asks for; with a period that makes no sense, without one, and why."""
    zone = reader_zone()
    try:
        return read_scope(slug, request.args, zone), ""
    except Invalid as refusal:
        whole = {key: value for key, value in request.args.items() if key not in ("from", "to")}
        return read_scope(slug, whole, zone), f"{refusal.sentence} The whole history is shown."


def _earlier(scope: Scope, read: Callable[[Scope], Found]) -> Found | None:
    """Return the same figures of the period before, where there is one."""
    earlier = scope.earlier()
    return read(earlier) if earlier else None


def _controls(scope: Scope) -> dict[str, Any]:
    return {"people": list_people(), "choices": read_choices(scope), "dimensions": DIMENSIONS}


def _page(name: str, scope: Scope, problem: str, **figures: Any) -> str:
    return render_template(
        f"reports/{name}.html", scope=scope, problem=problem, words=words, in_words=in_words, **figures
    )


def _attachment(lines: str, name: str) -> Response:
    answer = Response(lines, mimetype="text/csv")
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer
