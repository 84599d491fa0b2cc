"""Refusals and failures become pages, fragments or JSON here, once, each with a clear sentence."""

from __future__ import annotations

import logging

import sqlalchemy.exc
from flask import Flask, current_app, jsonify, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from lifecycle.core.db import db
from lifecycle.core.errors import Refusal
from lifecycle.core.words import _, marked
from lifecycle.web.localization import is_for_client, is_for_clients, page_above
from lifecycle.web.requests import current_request_id, route

log = logging.getLogger(__name__)

_SENTENCES = {
    400: marked("The request could not be understood. Nothing was changed."),
    401: "You are signed out. Log in and try again; nothing was changed.",
    403: marked("You may not do this. Nothing was changed."),
    404: marked("There is nothing here. The address may be mistyped, or the thing was moved."),
    405: marked("This address does not answer to that kind of request. Nothing was changed."),
    413: marked(
        "That was too large to take: a file may have %(most)s MB. Nothing was changed; go back, and send a "
        "smaller file or a shorter text."
    ),
    415: marked("That kind of content is not taken here. Nothing was changed."),
    429: marked("Too many attempts. Wait a minute and try again; nothing was changed."),
    503: marked("The service is busy or restarting. Nothing was changed; try again in a moment."),
}
_UNKNOWN = marked("Something went wrong.")


def init_app(app: Flask) -> None:
    """Hang the handlers into the app."""
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(sqlalchemy.exc.OperationalError, _database_away)
    app.register_error_handler(Exception, _bug)


def answer_with_sentence(sentence: str, status: int, reference: str | None = None) -> ResponseReturnValue:
    """Return `sentence` in the form the asker understands: notice for htmx, JSON, or a page."""
    if request.headers.get("HX-Request") == "true":
        response = make_response(
            render_template("errors/notice.html", sentence=sentence, reference=reference), status
        )
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "beforeend"
        return response
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        return jsonify(error=sentence, reference=reference), status
    name = "client_pages/failed.html" if is_for_client() else "errors/page.html"
    page = render_template(name, sentence=sentence, status=status, reference=reference)
    return make_response(page, status)


def _refused(refusal: Refusal) -> ResponseReturnValue:
    return answer_with_sentence(refusal.sentence, refusal.status)


def _stale_form(error: CSRFError) -> ResponseReturnValue:
    sentence = (
        _("This page was open too long. Nothing was changed; reload the page and send it again.")
        if is_for_client()
        else "This page was open too long, or you logged in again since. Nothing was changed; "
        "reload the page and send it again."
    )
    return answer_with_sentence(sentence, 400)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    if status == 405 and request.method == "GET" and is_for_clients(request.path):
        # A phone that opens a page again, or a person who copies its address, after a form was refused.
        return redirect(page_above(request.path), 303)
    sentence = _SENTENCES.get(status, error.description or _UNKNOWN)
    most = current_app.extensions["settings"].max_upload_bytes // 2**20
    return answer_with_sentence(_(sentence, most=most) if status == 413 else _(sentence), status)


def _database_away(error: sqlalchemy.exc.OperationalError) -> ResponseReturnValue:
    db.session.rollback()
    reference = _log_failure("database trouble")
    return answer_with_sentence(_(_SENTENCES[503]), 503, reference)


def _bug(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    reference = _log_failure("unhandled error")
    sentence = _(
        "Something went wrong on our side. Nothing was changed; the reference below helps us find it."
    )
    return answer_with_sentence(sentence, 500, reference)


def _log_failure(what: str) -> str:
    # The route and not the path, which may hold a client's key.
    log.exception("%s: %s %s", what, request.method, route())
    return current_request_id()
