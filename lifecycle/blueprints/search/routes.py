"""`/search`: a short list under the search box, and a page of its own."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.search import search
from lifecycle.core.text import LONGEST_SEARCH, one_line
from lifecycle.insight import search as finding
from lifecycle.records.accounts.countries import country_name
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import is_fragment_request, render

IN_BOX = 8
ON_PAGE = 50


@search.get("/search")
def show_results() -> ResponseReturnValue:
    """Show what was found, the best first."""
    require(current_actor(), "accounts.read")
    query = one_line(request.args.get("q", "")[: 2 * LONGEST_SEARCH])[:LONGEST_SEARCH]
    limit = IN_BOX if is_fragment_request() else ON_PAGE
    return render(
        "search/_results.html",
        "search/page.html",
        query=query,
        found=finding.search(query, limit),
        country_name=country_name,
    )
