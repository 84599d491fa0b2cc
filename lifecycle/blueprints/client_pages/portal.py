"""`/p/<token>`: a contact's home. Looking changes nothing, and shows nothing before a button was pressed."""

from __future__ import annotations

import uuid

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.client_pages import client_pages
from lifecycle.blueprints.client_pages.preferences import shown_preferences
from lifecycle.blueprints.client_pages.serving import answered, by_token, gone, inert, paper
from lifecycle.core.db import one_moment, transaction
from lifecycle.core.errors import NotFound
from lifecycle.extensions import limiter
from lifecycle.governance.requests.portal import (
    find_home,
    find_home_file,
    find_opened_home,
    find_paper,
    link_for,
    open_home,
    renew_home,
)
from lifecycle.insight.own_reach import read_own_reach
from lifecycle.insight.portal import read_home
from lifecycle.records.files.store import open_file
from lifecycle.web.access import public


@client_pages.get("/p/<token>")
@public
@limiter.limit("120 per minute")
def show_home(token: str) -> ResponseReturnValue:
    """Show where everything stands; until somebody pressed the button, only whose page it is."""
    try:
        with one_moment():
            link, contact = find_home(token)
            home = read_home(contact) if link.opened_at else None
            reach = read_own_reach(contact)
            content = render_template(
                "client_pages/home.html",
                token=token,
                contact=contact,
                home=home,
                reach=reach,
                preferences=list(dict.fromkeys(shown_preferences(contact, reach).values())),
            )
    except NotFound as why:
        return gone(token, why, "portal")
    return answered(content)


@client_pages.post("/p/<token>/openings")
@public
@limiter.limit("60 per hour", key_func=by_token)
def create_home_opening(token: str) -> ResponseReturnValue:
    """Note that a person opened it."""
    try:
        with transaction():
            open_home(token)
    except NotFound as why:
        return gone(token, why, "portal")
    return redirect(url_for("client_pages.show_home", token=token), 303)


@client_pages.post("/p/<token>/requests/<uuid:request_id>/links")
@public
@limiter.limit("120 per hour", key_func=by_token)
def create_request_link(token: str, request_id: uuid.UUID) -> ResponseReturnValue:
    """Go to a request, by a link of one's own."""
    try:
        with transaction():
            _, contact = find_opened_home(token)
            key = link_for(contact, request_id)
    except NotFound as why:
        return gone(token, why, "portal")
    return redirect(url_for("client_pages.show_request", token=key), 303)


@client_pages.get("/p/<token>/papers/<uuid:request_id>.pdf")
@public
@limiter.limit("60 per minute")
def show_home_paper(token: str, request_id: uuid.UUID) -> ResponseReturnValue:
    """Give the signed paper of a request that the contact may see."""
    try:
        _, contact = find_opened_home(token)
        file = open_file(find_paper(contact, request_id))
    except NotFound as why:
        return gone(token, why, "portal")
    return paper(file)


@client_pages.get("/p/<token>/files/<uuid:file_id>")
@public
@limiter.limit("60 per minute", key_func=by_token)
def show_home_file(token: str, file_id: uuid.UUID) -> ResponseReturnValue:
    """Hand over a file of a request that the contact may see."""
    try:
        _, contact = find_opened_home(token)
        file = open_file(find_home_file(contact, file_id))
    except NotFound as why:
        return gone(token, why, "portal")
    return inert(file)


@client_pages.post("/p/<token>/renewals")
@public
@limiter.limit("5 per hour", key_func=by_token)
@limiter.limit("20 per hour")
def create_home_renewal(token: str) -> ResponseReturnValue:
    """Mail a new link to whom an expired one was for; the answer is the same for every link."""
    with transaction():
        renew_home(token)
    return answered(render_template("client_pages/renewed.html"))
