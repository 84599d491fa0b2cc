"""`/c/<token>`: read, confirm or decline, attach, or say that one is stuck.

Looking changes nothing, so that mail scanners may open every link; only a button does. The page is plain
HTML without a script. Unknown, expired and revoked links get one and the same answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from io import BytesIO
from typing import Any

from flask import (
    Response,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.client_pages import client_pages
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, NotFound, Refusal
from lifecycle.core.tokens import hash_token
from lifecycle.extensions import limiter
from lifecycle.governance.requests import answer, renew
from lifecycle.governance.requests.answer import Answering, answering, find_opened
from lifecycle.insight.client_page import ClientPage, read_client_page
from lifecycle.records.files.models import StoredFile
from lifecycle.records.files.store import keep_file, read_file
from lifecycle.web.access import public
from lifecycle.web.inputs import build_form, typed_values

_OWN = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


def _by_token() -> str:
    """The link, hashed: limits are kept in Redis, where no link belongs."""
    return hash_token(str((request.view_args or {}).get("token", "")))


@client_pages.get("/c/<token>")
@public
@limiter.limit("120 per minute")
def show_request(token: str) -> ResponseReturnValue:
    """Show what is asked; until somebody pressed the button, only that something is."""
    try:
        return _page(token)
    except NotFound as gone:
        return _gone(token, gone)


@client_pages.post("/c/<token>/openings")
@public
@limiter.limit("60 per hour", key_func=_by_token)
def create_opening(token: str) -> ResponseReturnValue:
    """Note that a person opened it, and show it."""
    return _act(token, answer.open_request)


@client_pages.post("/c/<token>/answers")
@public
@limiter.limit("60 per hour", key_func=_by_token)
def create_answer(token: str) -> ResponseReturnValue:
    """Take the yes, or what they submit; `draft` only keeps what was typed."""
    if request.form.get("act") == "draft":
        return _act(token, _keep_draft, said="Saved. Open the same link to go on, on any device.")
    return _act(token, _take_answer)


@client_pages.post("/c/<token>/refusals")
@public
@limiter.limit("30 per hour", key_func=_by_token)
def create_refusal(token: str) -> ResponseReturnValue:
    """Take the no, with its reason."""
    reason = request.form.get("reason", "")
    return _act(token, lambda held: answer.decline_request(held, reason), form="decline")


@client_pages.post("/c/<token>/stuck-reports")
@public
@limiter.limit("30 per hour", key_func=_by_token)
def create_stuck_report(token: str) -> ResponseReturnValue:
    """Let them say what keeps them; somebody is told."""
    reason = request.form.get("reason", "")
    said = "Thank you. We have been told, and will be in touch."
    return _act(token, lambda held: answer.say_stuck(held, reason), said=said, form="stuck")


@client_pages.post("/c/<token>/renewals")
@public
@limiter.limit("5 per hour", key_func=_by_token)
@limiter.limit("20 per hour")
def create_renewal(token: str) -> ResponseReturnValue:
    """Mail a new link to whom an expired one was for; the answer is the same for every link."""
    with transaction():
        renew.renew_link(token)
    return _answer(render_template("client_pages/renewed.html"))


@client_pages.get("/c/<token>/files/<uuid:file_id>")
@public
def show_file(token: str, file_id: uuid.UUID) -> ResponseReturnValue:
    """Hand over a file that the request shows, or that they sent with it."""
    try:
        opened = find_opened(token)
    except NotFound as gone:
        return _gone(token, gone)
    if opened.request.opened_at is None or not answer.file_of(opened.request, file_id):
        raise NotFound("There is no such file.")
    stored, content = read_file(file_id)
    response = send_file(
        BytesIO(content), mimetype="application/octet-stream", as_attachment=True, download_name=stored.name
    )
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return _with_own(response)


def _keep_draft(held: Answering) -> None:
    answer.save_draft(held, _typed(held))


def _take_answer(held: Answering) -> None:
    form = request.form
    answer.answer_request(
        held,
        _typed(held),
        files=_uploads(held),
        signer=form.get("signer", ""),
        position=form.get("position", ""),
        agrees=form.get("agrees") == "1",
        came_from={"address": request.remote_addr or "", "user_agent": request.headers.get("User-Agent", "")},
        seen_hash=form.get("seen", ""),
    )


def _typed(held: Answering) -> dict[str, Any]:
    return typed_values("ask", list(held.definition.asks), request.form)


def _uploads(held: Answering) -> list[StoredFile]:
    limit = current_app.extensions["settings"].max_upload_bytes
    kept = []
    for upload in request.files.getlist("files"):
        if not upload.filename:
            continue
        content = upload.read(limit + 1)
        if len(content) > limit:
            sentence = f"“{upload.filename}” is too large: a file may have {limit // 2**20} MB."
            raise Invalid(sentence, {"files": sentence})
        try:
            kept.append(keep_file(upload.filename, content, held.actor))
        except Invalid as refusal:
            raise Invalid(refusal.sentence, {"files": refusal.sentence}) from None
    return kept


def _act(
    token: str, act: Callable[[Answering], None], *, said: str | None = None, form: str = "answer"
) -> ResponseReturnValue:
    """Do one act of the client in one transaction; a refusal shows the page again with what was typed."""
    try:
        with transaction(), answering(token) as held:
            act(held)
    except NotFound as gone:
        return _gone(token, gone)
    except (Invalid, Conflict) as refusal:
        try:
            return _page(token, refusal, form)
        except NotFound as gone:
            return _gone(token, gone)
    if said:
        flash(said, "passed")
    return redirect(url_for("client_pages.show_request", token=token), 303)


def _page(token: str, refusal: Refusal | None = None, form: str = "answer") -> Response:
    page = read_client_page(find_opened(token))
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
    return _answer(content, refusal.status if refusal else 200)


def _questions(page: ClientPage, typed: Any, errors: dict[str, str]) -> Any:
    kept = page.opened.request.answers
    values = {**kept, **(typed_values("ask", list(page.questions), typed) if typed else {})}
    return build_form("ask", page.questions, values, errors) if page.questions else None


def _gone(token: str, gone: NotFound) -> Response:
    return _answer(render_template("client_pages/gone.html", token=token, sentence=gone.sentence), 404)


def _answer(content: str, status: int = 200) -> Response:
    return _with_own(make_response(content, status))


def _with_own(response: Response) -> Response:
    # The address is the key: it must not travel on in a Referer, nor be kept by anybody's index.
    response.headers.update(_OWN)
    return response
