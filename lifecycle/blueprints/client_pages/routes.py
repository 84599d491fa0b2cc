"""`/c/<token>`: read, confirm or decline, attach, or say that one is stuck.

Looking changes nothing, so that mail scanners may open every link; only a button does. The page is plain
HTML without a script. Unknown, expired and revoked links get one and the same answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.client_pages import client_pages
from lifecycle.blueprints.client_pages.forms import show_review_of
from lifecycle.blueprints.client_pages.serving import (
    answered,
    by_token,
    came_from,
    code_sent,
    gone,
    inert,
    keep_uploads,
    paper,
    with_own,
)
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, NotFound, Refusal
from lifecycle.core.words import _, marked
from lifecycle.extensions import limiter
from lifecycle.governance.requests import answer, renew
from lifecycle.governance.requests.answer import Answering, answering, find_opened, try_code_of
from lifecycle.insight.client_page import ClientPage, masked, read_client_page
from lifecycle.records.files.store import open_file
from lifecycle.web.access import public
from lifecycle.web.bodies import takes_files
from lifecycle.web.files import sent_thumbnail
from lifecycle.web.inputs import build_form, typed_values
from lifecycle.web.uploads import check_uploads, uploads_of


@client_pages.get("/c/<token>")
@public
@limiter.limit("120 per minute")
def show_request(token: str) -> ResponseReturnValue:
    """Show what is asked; until somebody pressed the button, only that something is."""
    try:
        return _page(token)
    except NotFound as why:
        return gone(token, why)


@client_pages.post("/c/<token>/openings")
@public
@limiter.limit("60 per hour", key_func=by_token)
def create_opening(token: str) -> ResponseReturnValue:
    """Note that a person opened it, and show it."""
    return _act(token, answer.open_request)


@client_pages.post("/c/<token>/answers")
@public
@takes_files
@limiter.limit("60 per hour", key_func=by_token)
def create_answer(token: str) -> ResponseReturnValue:
    """Take the yes, or what they submit; `draft` only keeps what was typed."""
    # A form with pages is saved page by page.
    if request.form.get("act") == "draft":
        return _act(token, _keep_draft, said=marked("Saved. Open the same link to go on, on any device."))
    return _act(token, _take_answer(token))


@client_pages.post("/c/<token>/codes")
@public
@limiter.limit("12 per hour", key_func=by_token)
def create_code(token: str) -> ResponseReturnValue:
    """Mail the code that signing takes, to whom the link was for."""
    back = "show_review" if request.form.get("from") == "review" else "show_request"
    try:
        with transaction(), answering(token) as held:
            answer.ask_for_code(held)
            address = held.contact.email or ""
    except NotFound as why:
        return gone(token, why)
    except (Invalid, Conflict) as refusal:
        flash(refusal.sentence, "warning")
    else:
        flash(code_sent(masked(address)), "passed")
    return redirect(url_for(f"client_pages.{back}", token=token) + "#sign", 303)


@client_pages.post("/c/<token>/refusals")
@public
@limiter.limit("30 per hour", key_func=by_token)
def create_refusal(token: str) -> ResponseReturnValue:
    """Take the no, with its reason."""
    reason = request.form.get("reason", "")
    return _act(token, lambda held: answer.decline_request(held, reason), form="decline")


@client_pages.post("/c/<token>/stuck-reports")
@public
@limiter.limit("30 per hour", key_func=by_token)
def create_stuck_report(token: str) -> ResponseReturnValue:
    """Let them say what keeps them; somebody is told."""
    reason = request.form.get("reason", "")
    said = marked("Thank you. We have been told, and will be in touch.")
    return _act(token, lambda held: answer.say_stuck(held, reason), said=said, form="stuck")


@client_pages.post("/c/<token>/renewals")
@public
@limiter.limit("5 per hour", key_func=by_token)
@limiter.limit("20 per hour")
def create_renewal(token: str) -> ResponseReturnValue:
    """Mail a new link to whom an expired one was for; the answer is the same for every link."""
    with transaction():
        renew.renew_link(token)
    return answered(render_template("client_pages/renewed.html"))


@client_pages.get("/c/<token>/files/<uuid:file_id>")
@public
def show_file(token: str, file_id: uuid.UUID) -> ResponseReturnValue:
    """Hand over a file that the request shows, or that they sent with it."""
    try:
        _require_file(token, file_id)
    except NotFound as why:
        return gone(token, why)
    return inert(open_file(file_id))


@client_pages.get("/c/<token>/files/<uuid:file_id>/thumbnail")
@public
def show_thumbnail(token: str, file_id: uuid.UUID) -> ResponseReturnValue:
    """Show a picture made small, of a file that they may see."""
    try:
        _require_file(token, file_id)
    except NotFound as why:
        return gone(token, why)
    return with_own(sent_thumbnail(file_id))


@client_pages.get("/c/<token>/paper.pdf")
@public
@limiter.limit("30 per minute")
def show_paper(token: str) -> ResponseReturnValue:
    """Give the signed paper, once it is made, to whoever has the whole."""
    try:
        opened = find_opened(token)
    except NotFound as why:
        return gone(token, why)
    asked = opened.request
    if opened.link.pages is not None or asked.opened_at is None or asked.paper_id is None:
        return gone(token, NotFound(_("There is no such paper.")))
    return paper(open_file(asked.paper_id))


def _require_file(token: str, file_id: uuid.UUID) -> None:
    """Raise NotFound unless the link works and its request shows the file, or they sent it with it."""
    opened = find_opened(token)
    if opened.request.opened_at is None or not read_client_page(opened).opens_file(file_id):
        raise NotFound(_("There is no such file."))


def _keep_draft(held: Answering) -> None:
    answer.save_draft(held, _typed(held))


def _take_answer(token: str) -> Callable[[Answering], None]:
    form = request.form
    code, has_typed = None, bool(form.get("code", "").strip())
    if has_typed:
        # By itself, and before anything else: an attempt counts, whatever becomes of the rest.
        with transaction():
            code = try_code_of(token, form["code"])
    signing = answer.Signing(form.get("drawn", ""), code, form.get("seen_content", ""), has_typed)
    return lambda held: _answer(held, signing)


def _answer(held: Answering, signing: answer.Signing) -> None:
    form = request.form
    answer.answer_request(
        held,
        _typed(held),
        files=keep_uploads(held, uploads_of("files")),
        signer=form.get("signer", ""),
        position=form.get("position", ""),
        agrees=form.get("agrees") == "1",
        came_from=came_from(),
        seen_hash=form.get("seen", ""),
        signing=signing,
    )


def _typed(held: Answering) -> dict[str, Any]:
    return typed_values("ask", list(held.definition.asks), request.form)


def _act(
    token: str, act: Callable[[Answering], None], *, said: str | None = None, form: str = "answer"
) -> ResponseReturnValue:
    """Do one act of the client in one transaction; a refusal shows the page again with what was typed."""
    try:
        if request.files:
            # Nobody without a link keeps the scanner busy.
            find_opened(token)
            check_uploads()
        with transaction(), answering(token) as held:
            act(held)
    except NotFound as why:
        return gone(token, why)
    except (Invalid, Conflict) as refusal:
        try:
            return _page(token, refusal, form)
        except NotFound as why:
            return gone(token, why)
    if said:
        flash(_(said), "passed")
    return redirect(url_for("client_pages.show_request", token=token), 303)


def _page(token: str, refusal: Refusal | None = None, form: str = "answer") -> Response:
    page = read_client_page(find_opened(token))
    is_of_form = page.form is not None and page.pages is None and page.may_act
    if is_of_form and refusal is not None and form == "answer":
        return show_review_of(token, page, refusal)
    errors = refusal.field_errors if isinstance(refusal, Invalid) else {}
    typed = request.form if refusal else {}
    content = render_template(
        "client_pages/request.html",
        page=page,
        token=token,
        questions=_questions(page, typed, errors),
        refusal=refusal,
        refused=form if refusal else None,
        errors=errors,
        typed=typed,
    )
    return answered(content, refusal.status if refusal else 200)


def _questions(page: ClientPage, typed: Any, errors: dict[str, str]) -> Any:
    kept = page.opened.request.answers
    values = {**kept, **(typed_values("ask", list(page.questions), typed) if typed else {})}
    return build_form("ask", page.questions, values, errors) if page.questions and not page.form else None
