"""The inbox: notices, and marking them as read, which only the press of a button does (E14)."""

from __future__ import annotations

import uuid
from datetime import datetime

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.inbox import inbox
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.insight.work.inbox import by_day, get_notice, show_notice, unread_until
from lifecycle.records.inbox.queries import PAGE, list_notices
from lifecycle.records.inbox.record import mark_read
from lifecycle.web.addresses import own_path, page_number
from lifecycle.web.htmx import go_to, is_fragment_request, render_fragment
from lifecycle.web.reader import current_reader


@inbox.get("/inbox")
def show_inbox() -> ResponseReturnValue:
    """Show the reader's notices, the newest first; all, or those they have not read."""
    reader = current_reader()
    unread_only = request.args.get("show") == "unread"
    page = page_number(request.args.get("page"))
    notices, has_more = list_notices(reader.user_id, unread_only=unread_only, page=page)
    return render_template(
        "inbox/show.html",
        days=by_day(notices, reader),
        until=reader.at.isoformat(),
        unread_only=unread_only,
        page=page,
        first=(page - 1) * PAGE + 1,
        last=(page - 1) * PAGE + len(notices),
        has_more=has_more,
        here=_address(unread_only=unread_only, page=page),
        previous_url=_address(unread_only=unread_only, page=page - 1) if page > 1 else None,
        next_url=_address(unread_only=unread_only, page=page + 1) if has_more else None,
    )


@inbox.post("/inbox/readings")
def create_reading() -> ResponseReturnValue:
    """Mark one notice as read, and lead to what it is about if asked to; or mark all that were shown."""
    given = request.form.get("notice")
    if given is None:
        return _read_all()
    reader = current_reader()
    notice = get_notice(_uuid(given), reader)
    with transaction():
        mark_read(reader.user_id, [notice.id])
    if request.form.get("follow"):
        return go_to(own_path(notice.link, url_for("inbox.show_inbox")))
    if is_fragment_request():
        db.session.refresh(notice)
        return render_fragment("inbox/read.html", shown=show_notice(notice, reader))
    return go_to(_back())


def _read_all() -> ResponseReturnValue:
    reader = current_reader()
    # What came after the page was made has not been seen.
    seen = unread_until(_instant(request.form.get("until", "")), reader)
    with transaction():
        mark_read(reader.user_id, seen)
    return go_to(_back())


def _back() -> str:
    return own_path(request.form.get("next"), url_for("inbox.show_inbox"))


def _address(*, unread_only: bool, page: int) -> str:
    return url_for(
        "inbox.show_inbox", show="unread" if unread_only else None, page=page if page > 1 else None
    )


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid("Say up to when you have read. Nothing was changed; reload the page and try again.")
    return moment


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        # There is none with that name, just as with an id that nobody has.
        return uuid.UUID(int=0)
