"""`/c/<token>/pages/<page>`: a form, page by page; saved as typed, by plain HTML as well as by the script."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Response, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.client_pages import client_pages
from lifecycle.blueprints.client_pages.serving import (
    answered,
    by_token,
    gone,
    handed_over,
    keep_uploads,
    with_own,
)
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, NotFound, Refusal
from lifecycle.core.words import _, marked, ngettext
from lifecycle.extensions import limiter
from lifecycle.governance.requests.answer import Answering, answering, find_opened
from lifecycle.governance.requests.fill import Saved, add_files, drop_file, pass_on, save_answers
from lifecycle.governance.requests.form import AskedPage
from lifecycle.insight.client_page import MEND, ClientPage, read_client_page
from lifecycle.insight.form_paper import paper_of_submission
from lifecycle.web.access import public
from lifecycle.web.bodies import takes_files
from lifecycle.web.form_pages import PREFIX, build_page_form, rows_of, typed_answers
from lifecycle.web.uploads import check_uploads, uploads_of

_NOT_NOW = marked("Nothing can be filled in here now.")
_SHEET = 16
_NO_PAGE = marked("There is no such page.")


class _NotNow(Exception):
    """The link works, and there is nothing to fill in now: its first page says why."""


@client_pages.get("/c/<token>/pages/<key>")
@public
@limiter.limit("120 per minute")
def show_form_page(token: str, key: str) -> ResponseReturnValue:
    """Show one page of a form."""
    try:
        page = _open(token)
        asked = _asked(page, key)
    except NotFound as why:
        return gone(token, why)
    except _NotNow:
        return _see_first(token)
    return _form_page(token, page, asked)


@client_pages.post("/c/<token>/pages/<key>")
@public
@takes_files
@limiter.limit("600 per hour", key_func=by_token)
def create_page_answers(token: str, key: str) -> ResponseReturnValue:
    """Save a page; `act` says what was pressed: next, save, or drop-file with the question and the file."""
    try:
        before = {each.question.key for each in _asked(_open(token), key).asked}
        with transaction(), answering(token) as held:
            saved = _save_answers(held)
        # By themselves: what was typed stays when a file is refused.
        if _has_files():
            check_uploads()
            with transaction(), answering(token) as held:
                _save_files(held)
        page = _open(token)
        asked = _asked(page, key)
    except NotFound as why:
        return gone(token, why)
    except _NotNow:
        flash(_(_NOT_NOW), "warning")
        return _see_first(token)
    except (Invalid, Conflict) as refusal:
        return _refused(token, key, refusal)
    errors = {**_errors(asked), **saved.conflicts}
    opened = [each for each in asked.asked if each.question.key not in before]
    if errors or request.form.get("act") != "next" or opened:
        if opened:
            sentence = ngettext(
                "Saved. Your answers opened one more question here.",
                "Saved. Your answers opened %(num)s more questions here.",
                len(opened),
            )
            flash(sentence, "info")
        elif not errors:
            flash(_("Saved."), "passed")
        return _form_page(token, page, asked, errors, kept=saved) if errors else _see(token, key, _more())
    following = page.after(key)
    return _see(token, following.page.key) if following else redirect(_review(token, page), 303)


@client_pages.post("/c/<token>/drafts")
@public
@limiter.limit("240 per minute", key_func=by_token)
def create_draft(token: str) -> Any:
    """Save what was just typed, for the script; the answer says what is asked on the page now."""
    key = request.form.get("page", "")
    try:
        with transaction(), answering(token) as held:
            saved = _save_answers(held)
        asked = _asked(_open(token), key)
    except Refusal as refusal:
        return with_own(jsonify(problem=refusal.sentence)), refusal.status
    except _NotNow:
        return with_own(jsonify(problem=_(_NOT_NOW))), 409
    errors = {**_errors(asked), **saved.conflicts}
    sent = {name.split("-")[1] for name in request.form if name.startswith(f"{PREFIX}-")}
    return with_own(
        jsonify(
            edition=saved.edition,
            conflicts=list(saved.conflicts),
            asked=[each.question.key for each in asked.asked],
            errors={key: text for key, text in errors.items() if key.split("-")[0] in sent},
        )
    )


@client_pages.post("/c/<token>/pages/<key>/colleagues")
@public
@limiter.limit("30 per hour", key_func=by_token)
def create_colleague(token: str, key: str) -> ResponseReturnValue:
    """Pass a page on to a colleague."""
    try:
        with transaction(), answering(token) as held:
            contact = pass_on(held, key, request.form.get("name", ""), request.form.get("email", ""))
            name = contact.name
    except NotFound as why:
        return gone(token, why)
    except (Invalid, Conflict) as refusal:
        return _refused(token, key, refusal, "colleague")
    flash(_("%(name)s gets a link to this page by email. You see here what they write.", name=name), "passed")
    return _see(token, key)


@client_pages.get("/c/<token>/review")
@public
@limiter.limit("120 per minute")
def show_review(token: str) -> ResponseReturnValue:
    """Show everything once more before it is sent."""
    try:
        return show_review_of(token, _open(token, whole=True))
    except NotFound as why:
        return gone(token, why)
    except _NotNow:
        return _see_first(token)


@client_pages.get("/c/<token>/submission.pdf")
@public
@limiter.limit("30 per minute")
def show_submission(token: str) -> ResponseReturnValue:
    """Give what was submitted last as PDF, to whoever has the whole."""
    try:
        opened = find_opened(token)
        if opened.link.pages is not None or opened.request.opened_at is None:
            return gone(token, NotFound(_(_NO_PAGE)))
        name, pdf = paper_of_submission(opened.request)
    except NotFound as why:
        return gone(token, why)
    return handed_over(name, pdf)


def show_review_of(token: str, page: ClientPage, refusal: Refusal | None = None) -> Response:
    """Return the review page, with what was refused."""
    content = render_template(
        "client_pages/form_review.html",
        page=page,
        token=token,
        refusal=refusal,
        # What is refused here is the answer; the two ways out answer with their own page.
        refused="answer" if refusal else None,
        errors=refusal.field_errors if isinstance(refusal, Invalid) else {},
        typed=request.form if refusal else {},
    )
    return answered(content, refusal.status if refusal else 200)


def _open(token: str, *, whole: bool = False) -> ClientPage:
    """Return a form that may be filled in, which a person has opened; `whole`: by a link to all of it."""
    page = read_client_page(find_opened(token))
    if page.form is None or page.opened.request.opened_at is None or not page.may_act:
        raise _NotNow
    if whole and page.pages is not None:
        raise NotFound(_(_NO_PAGE))
    return page


def _asked(page: ClientPage, key: str) -> AskedPage:
    asked = page.find(key)
    if asked is None:
        raise NotFound(_(_NO_PAGE))
    return asked


def _has_files() -> bool:
    return any(upload.filename for upload in request.files.values()) or _dropped() is not None


def _dropped() -> tuple[str, str] | None:
    """Return the question and the file that is to be taken away."""
    act, _, what = request.form.get("act", "").partition(":")
    question, _, file_id = what.partition(":")
    return (question, file_id) if act == "drop-file" else None


def _save_files(held: Answering) -> None:
    for question in held.definition.asks:
        uploads = uploads_of(f"{PREFIX}-{question.key}") if question.type == "file" else []
        if files := keep_uploads(held, uploads):
            add_files(held, question.key, files)
    if dropped := _dropped():
        drop_file(held, *dropped)


def _save_answers(held: Answering) -> Saved:
    form = request.form
    seen = {key.removeprefix("seen-"): _number(text) for key, text in form.items() if key.startswith("seen-")}
    typed = typed_answers(held.definition.asks, form)
    sheet = form.get("sheet", "")[:_SHEET]
    return save_answers(held, typed, _number(form.get("edition", "")), seen, sheet)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _errors(asked: AskedPage) -> dict[str, str]:
    return {name: sentence for each in asked.asked for name, sentence in each.errors.items()}


def _refused(token: str, key: str, refusal: Refusal, form: str = "page") -> ResponseReturnValue:
    try:
        page = _open(token)
        asked = _asked(page, key)
    except (NotFound, _NotNow):
        # There is no page any more that could say it.
        flash(refusal.sentence, "warning")
        return _see_first(token)
    errors = refusal.field_errors if isinstance(refusal, Invalid) else {}
    return _form_page(token, page, asked, errors, refusal, form)


def _form_page(
    token: str,
    page: ClientPage,
    asked: AskedPage,
    errors: dict[str, str] | None = None,
    refusal: Refusal | None = None,
    form: str = "page",
    kept: Saved | None = None,
) -> Response:
    shown = [each for section in asked.sections for each in section.questions]
    more = _more()
    if kept is not None:
        # What was not kept stands in its field still: nobody has to type it twice.
        again = typed_answers([each.question for each in shown], request.form)
        shown = [
            replace(each, typed=again[each.question.key]) if each.question.key in kept.conflicts else each
            for each in shown
        ]
    content = render_template(
        "client_pages/form_page.html",
        page=page,
        asked=asked,
        token=token,
        fields=build_page_form(shown, errors or {}, more),
        rows_of=partial(rows_of, more=more),
        errors=errors or {},
        refusal=refusal,
        refused=form if refusal else None,
        typed=request.form if refusal else {},
        is_mending=asked.page.key == MEND,
        most_bytes=current_app.extensions["settings"].max_upload_bytes,
        sheet=secrets.token_urlsafe(_SHEET)[:_SHEET],
    )
    return answered(content, 422 if errors else refusal.status if refusal else 200)


def _see_first(token: str) -> ResponseReturnValue:
    return redirect(url_for("client_pages.show_request", token=token), 303)


def _see(token: str, key: str, more: str = "") -> ResponseReturnValue:
    page = url_for("client_pages.show_form_page", token=token, key=key, more=more or None)
    return redirect(f"{page}#{PREFIX}-{more}" if more else page, 303)


def _more() -> str:
    """Return the question whose table more rows were asked for: by the button, or by where it led."""
    act, _sign, key = request.form.get("act", "").partition(":")
    return key if act == "more" else request.args.get("more", "")


def _review(token: str, page: ClientPage) -> str:
    # Whoever was passed a part does not send the whole.
    endpoint = "show_request" if page.pages is not None else "show_review"
    return url_for(f"client_pages.{endpoint}", token=token)
