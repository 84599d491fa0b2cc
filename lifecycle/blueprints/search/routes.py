"""`/search`: a short list under the search box, a page of its own, and what the command palette shows."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.search import search
from lifecycle.blueprints.search.places import list_places
from lifecycle.core.db import one_moment
from lifecycle.core.text import LONGEST_SEARCH, one_line
from lifecycle.insight import search as finding
from lifecycle.insight.boards.view import CLIENT_WORDS
from lifecycle.insight.seen import recently_seen
from lifecycle.records.accounts.countries import country_name
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import is_fragment_request, render, render_fragment

IN_BOX = 8
IN_PALETTE = 5
ON_PAGE = 50
_LONGEST_MARKS = 2_000


@search.get("/search")
def show_results() -> ResponseReturnValue:
    """Show what was found, the best first."""
    require(current_actor(), "accounts.read")
    query = _query()
    limit = IN_BOX if is_fragment_request() else ON_PAGE
    with one_moment():
        found = finding.search(query, limit)
    return render(
        "search/_results.html",
        "search/page.html",
        query=query,
        found=found,
        country_name=country_name,
        request_words=CLIENT_WORDS,
    )


@search.get("/search/palette")
def show_palette() -> ResponseReturnValue:
    """Return what the command palette lists: what has the words, or what was seen lately and where to go."""
    actor = current_actor()
    require(actor, "accounts.read")
    query = _query()
    places, beginnings = list_places(query, actor)
    return render_fragment(
        "search/_palette.html",
        query=query,
        seen=[] if query else recently_seen(_marks(), actor),
        places=places,
        beginnings=beginnings,
        found=finding.search(query, IN_PALETTE),
        country_name=country_name,
        request_words=CLIENT_WORDS,
    )


@search.get("/search/seen")
def show_seen() -> ResponseReturnValue:
    """Return what the reader's browser says was seen lately, named as it is now; nothing for nothing."""
    return render_fragment("search/_seen.html", seen=recently_seen(_marks(), current_actor()))


def _query() -> str:
    return one_line(request.args.get("q", "")[: 2 * LONGEST_SEARCH])[:LONGEST_SEARCH]


def _marks() -> list[str]:
    return request.args.get("seen", "")[:_LONGEST_MARKS].split(",")
