"""A board in swimlanes: the same filter in the address, crossed by owner, segment or account."""

from __future__ import annotations

from flask import current_app, render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.boards import boards
from lifecycle.core.db import one_moment
from lifecycle.insight.boards.board import find_board
from lifecycle.insight.boards.directory import list_people
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.boards.lanes import LANES, lane_kind, read_lanes
from lifecycle.records.people.permissions import can
from lifecycle.web.access import current_actor
from lifecycle.web.reader import reader_id, reader_zone


@boards.get("/boards/<slug>/lanes")
def show_lanes(slug: str) -> ResponseReturnValue:
    """Show a board in swimlanes; `by` is what crosses it."""
    identity = find_board(slug)
    narrowed = BoardFilter.from_args(request.args, reader_id())
    by = lane_kind(request.args.get("by", ""))
    # The cursor first, as on the board itself.
    cursor = current_app.extensions["board_changes"].cursor(identity.pipeline.id)
    with one_moment():
        board = read_lanes(identity, narrowed, by, reader_id(), reader_zone())
    actor = current_actor()
    return render_template(
        "boards/lanes.html",
        board=board,
        filter=narrowed,
        cursor=cursor,
        kinds={key: name for key, (name, _, _) in LANES.items()},
        people=list_people(),
        can_move=can(actor, "cards.move"),
        can_create=can(actor, "cards.create"),
    )
