"""A board as it stood at a past moment: to be looked at, not to be moved on."""

from __future__ import annotations

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.boards import boards
from lifecycle.core.clock import now
from lifecycle.core.db import one_moment
from lifecycle.core.errors import Invalid
from lifecycle.insight.boards.board import find_board
from lifecycle.insight.boards.past import read_moment, read_past_board
from lifecycle.web.reader import reader_zone


@boards.get("/boards/<slug>/past")
def show_past_board(slug: str) -> ResponseReturnValue:
    """Show the board as it stood at `at`; what makes no sense is told, and yesterday shown."""
    identity = find_board(slug)
    present, problem = now(), ""
    try:
        at = read_moment(request.args.get("at", ""), present, reader_zone())
    except Invalid as refusal:
        at, problem = read_moment("", present, reader_zone()), refusal.sentence
    with one_moment():
        board = read_past_board(identity, at)
    page = render_template("boards/past.html", board=board, problem=problem, present=present)
    return Response(page, 422 if problem else 200)
