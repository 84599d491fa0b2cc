"""Live changes of a board. A poll that finds nothing costs no query at all."""

from __future__ import annotations

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from lifecycle.blueprints.boards import boards
from lifecycle.core.db import db, one_moment
from lifecycle.insight.boards.board import find_board, read_touched
from lifecycle.insight.boards.changes import LONGEST_CURSOR, Change, ChangeReader
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.boards.lanes import lane_kind, lane_of
from lifecycle.records.people.models import User
from lifecycle.web.access import has_session, public
from lifecycle.web.htmx import render_fragment
from lifecycle.web.reader import reader_id, reader_zone


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
    movers = {change.card_id: change.actor_id for change in changes}
    wanted = {actor for actor in movers.values() if actor}
    rows = db.session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    names: dict[object, str] = dict(rows.all())
    narrowed = BoardFilter.from_args(request.args, reader_id())
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
    response = render_fragment("boards/changes.html", touched=touched, faces=faces, slug=slug)
    response.headers["X-Board-Cursor"] = cursor
    return response
