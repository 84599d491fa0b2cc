"""Live changes of a board. A poll that finds nothing costs no query at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable

from flask import Response, current_app, render_template, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf
from markupsafe import escape
from sqlalchemy import select

from lifecycle.blueprints.boards import boards
from lifecycle.core.db import db, one_moment
from lifecycle.insight.boards.board import find_board, read_touched
from lifecycle.insight.boards.changes import LONGEST_CURSOR, Change, ChangeReader
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.boards.lanes import lane_kind, lane_of
from lifecycle.insight.boards.queries import collapsed_stages
from lifecycle.records.people.models import User
from lifecycle.web.access import has_session, public
from lifecycle.web.reader import reader_id, reader_zone

# As many as one bulk move changes; of more, a board is sooner read anew.
MOST_TOLD = 500


@boards.get("/boards/<slug>/changes")
@public
def show_changes(slug: str) -> ResponseReturnValue:
    """Answer 204 when nothing changed since the cursor, else the cards and headers that did.

    Marked public so that a quiet poll need not load its user: the signed session is checked here, and the
    user as soon as there is something to tell.
    """
    if not has_session():
        return Response(status=401)
    reader: ChangeReader = current_app.extensions["board_changes"]
    cursor = request.headers.get("X-Board-Cursor", "")[:LONGEST_CURSOR]
    if reader.is_too_old(cursor):
        return Response(status=200, headers={"HX-Refresh": "true"})
    changes, following = reader.since(cursor)
    if not changes:
        return Response(status=204, headers={"X-Board-Cursor": following})
    return _tell(slug, changes, following)


def _tell(slug: str, changes: list[Change], cursor: str) -> ResponseReturnValue:
    if not has_session(load_user=True):
        return Response(status=401)
    cards = {change.card_id for change in changes}
    if len(cards) > MOST_TOLD:
        return Response(status=200, headers={"HX-Refresh": "true"})
    narrowed = BoardFilter.from_args(request.args, reader_id())
    told: ToldBoards = current_app.extensions["told_boards"]
    # Everything that the answer depends on besides the cards, which these changes brought up to date.
    key = (
        slug,
        tuple(change.id for change in changes),
        frozenset(change.card_id for change in changes if change.actor_id == reader_id()),
        narrowed.as_query(),
        request.args.get("by"),
        reader_zone().key,
        frozenset(collapsed_stages(reader_id()).items()),
    )
    text = told.find(key)
    if text is None:
        text = told.keep(key, _draw(slug, changes, narrowed))
    response = Response(text)
    response.headers["X-Board-Cursor"] = cursor
    response.vary.add("HX-Request")
    return response


def _draw(slug: str, changes: list[Change], narrowed: BoardFilter) -> str:
    movers = {change.card_id: change.actor_id for change in changes}
    wanted = {actor for actor in movers.values() if actor}
    rows = db.session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    names: dict[object, str] = dict(rows.all())
    identity = find_board(slug)
    with one_moment():
        touched = read_touched(identity, list(movers), (), narrowed, reader_id(), reader_zone())
    by = request.args.get("by")
    faces = [
        (
            face.moved_by(names.get(movers[face.id]) if movers[face.id] != reader_id() else None),
            before,
            lane_of(face, lane_kind(by)) if by else None,
        )
        for face, before in touched.faces
    ]
    return render_template("boards/changes.html", touched=touched, faces=faces, slug=slug)


class ToldBoards:
    """Answers drawn a moment ago: everybody who has the board open is told the same.

    The forms in it carry each reader's own token, which is taken out before an answer is kept.
    """

    _KEPT_FOR = 2.0
    _MOST = 64
    _TOKEN = "\x00token\x00"  # noqa: S105 - stands for one

    def __init__(self) -> None:
        self._told: dict[Hashable, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> str | None:
        """Return the answer with the reader's own token; None when nobody was told it lately."""
        at, text = self._told.get(key, (0.0, ""))
        if time.monotonic() - at > self._KEPT_FOR:
            return None
        return text.replace(self._TOKEN, str(escape(generate_csrf())))

    def keep(self, key: Hashable, text: str) -> str:
        """Keep an answer that was drawn for this reader, and return it."""
        # What is older than the others is taken out first: a dict keeps the order of insertion.
        with self._lock:
            self._told.pop(key, None)
            while len(self._told) >= self._MOST:
                del self._told[next(iter(self._told))]
            token = str(escape(generate_csrf()))
            self._told[key] = (time.monotonic(), text.replace(token, self._TOKEN))
        return text


@boards.record_once
def _keep_told(state: BlueprintSetupState) -> None:
    state.app.extensions["told_boards"] = ToldBoards()
