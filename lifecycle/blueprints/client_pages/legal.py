"""`/c/<token>/legal/<key>`: a legal document that a request shows, and what changed since earlier ones."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.client_pages import client_pages
from lifecycle.blueprints.client_pages.serving import answered, by_token, gone
from lifecycle.core.errors import NotFound
from lifecycle.core.words import _
from lifecycle.extensions import limiter
from lifecycle.governance.requests.answer import find_opened
from lifecycle.governance.requests.legal import read_shown
from lifecycle.insight.client_page import read_client_page
from lifecycle.web.access import public


@client_pages.get("/c/<token>/legal/<key>")
@public
@limiter.limit("120 per minute", key_func=by_token)
def show_legal(token: str, key: str) -> ResponseReturnValue:
    """Show a document in the version that the request shows; `?since=` marks what changed since another."""
    try:
        page = read_client_page(find_opened(token))
        if not page.opens_legal(key):
            raise NotFound(_("There is no such document."))  # noqa: TRY301 - the same answer as for any other
        legal = read_shown(page.subject, page.opened.request, key, request.args.get("since"))
    except NotFound as why:
        return gone(token, why)
    return answered(render_template("client_pages/legal.html", page=page, token=token, legal=legal))
