"""`/s/<token>`: credentials, shown once after a mailed code. Looking changes nothing, and shows none."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.client_pages import client_pages
from lifecycle.blueprints.client_pages.serving import answered, by_token, came_from, code_sent, gone
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, NotFound, Refusal
from lifecycle.extensions import limiter
from lifecycle.governance.requests.codes import try_code, waiting_code
from lifecycle.governance.requests.secrets import ask_for_code, find_secret, show_secret
from lifecycle.insight.client_page import masked
from lifecycle.web.access import public


@client_pages.get("/s/<token>")
@public
@limiter.limit("60 per minute")
def show_secret_door(token: str) -> ResponseReturnValue:
    """Show what waits behind the code."""
    return _door(token)


@client_pages.post("/s/<token>/codes")
@public
@limiter.limit("12 per hour", key_func=by_token)
def create_secret_code(token: str) -> ResponseReturnValue:
    """Mail the code, to whom the link was for."""
    try:
        with transaction():
            address = ask_for_code(token)
    except NotFound as why:
        return gone(token, why, "secret")
    except (Invalid, Conflict) as refusal:
        flash(refusal.sentence, "warning")
    else:
        flash(code_sent(masked(address)), "passed")
    return redirect(url_for("client_pages.show_secret_door", token=token), 303)


@client_pages.post("/s/<token>/views")
@public
@limiter.limit("30 per hour", key_func=by_token)
def create_secret_view(token: str) -> ResponseReturnValue:
    """Show them, once."""
    try:
        # By itself, and before anything else: an attempt counts, whatever becomes of the rest.
        with transaction():
            code = try_code(find_secret(token)[0], request.form.get("code", ""))
        with transaction():
            title, text = show_secret(token, code, came_from())
    except NotFound as why:
        return gone(token, why, "secret")
    except Invalid as refusal:
        return _door(token, refusal)
    shown = answered(render_template("client_pages/secret_shown.html", title=title, text=text))
    shown.headers["Cache-Control"] = "no-store"
    return shown


def _door(token: str, refusal: Refusal | None = None) -> ResponseReturnValue:
    try:
        secret, contact = find_secret(token)
    except NotFound as why:
        return gone(token, why, "secret")
    content = render_template(
        "client_pages/secret.html",
        token=token,
        secret=secret,
        contact=contact,
        address=masked(contact.email or ""),
        has_code=waiting_code(secret) is not None,
        refusal=refusal,
    )
    return answered(content, refusal.status if refusal else 200)
