"""`/language`: a client chooses the language of their pages, by a button of the footer."""

from __future__ import annotations

from flask import current_app, make_response, redirect, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.client_pages import client_pages
from lifecycle.blueprints.client_pages.serving import with_own
from lifecycle.core.words import LANGUAGES
from lifecycle.extensions import limiter
from lifecycle.web.access import public
from lifecycle.web.addresses import own_path
from lifecycle.web.localization import COOKIE, is_for_clients

_LASTS = 365 * 24 * 3600


@client_pages.post("/language")
@public
@limiter.limit("120 per hour")
def choose_language() -> ResponseReturnValue:
    """Keep the choice in this browser, and lead back to the page it was made on."""
    back = own_path(request.form.get("back"))
    response = make_response(redirect(back if is_for_clients(back) else "/", 303))
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        response.set_cookie(
            COOKIE,
            chosen,
            max_age=_LASTS,
            httponly=True,
            samesite="Lax",
            secure=current_app.config["SESSION_COOKIE_SECURE"],
        )
    return with_own(response)
