"""A board as a list: the same filter in the address, any order, selection for a bulk move, and CSV."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, current_app, render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.boards import boards
from lifecycle.core.db import one_moment
from lifecycle.exchange.exports.cards import cards_as_csv
from lifecycle.insight.boards.board import BoardIdentity, find_board
from lifecycle.insight.boards.directory import list_people
from lifecycle.insight.boards.listing import Listing, read_page
from lifecycle.insight.boards.saved import read_view_bar
from lifecycle.records.people.permissions import can, require
from lifecycle.web.access import current_actor
from lifecycle.web.reader import reader_id, reader_zone

# What the list's columns are called, by what they sort by.
_COLUMNS = (
    ("account", "Account"),
    ("card", "Card"),
    ("stage", "Stage"),
    ("owner", "Owner"),
    ("value", "Value"),
    ("age", "In stage"),
    ("sla", "SLA"),
    ("next", "Next action"),
    ("waiting", "Client"),
)


@boards.get("/boards/<slug>/list")
def show_list(slug: str) -> ResponseReturnValue:
    """List the cards of a board, narrowed and sorted by the address."""
    actor = current_actor()
    require(actor, "boards.read")
    identity = find_board(slug)
    listing = Listing.from_args(request.args, reader_id())
    after, before = request.args.get("after", ""), request.args.get("before", "")
    with one_moment():
        page = read_page(identity, listing, after, before, reader_zone())
    return render_template(
        "boards/listing.html",
        identity=identity,
        listing=listing,
        filter=listing.filter,
        page=page,
        columns=_columns(identity, listing),
        address=partial(_address, identity, listing),
        people=list_people(),
        bar=read_view_bar(identity, request.args, actor, is_list=True),
        can_move=can(actor, "cards.move"),
        can_create=can(actor, "cards.create"),
    )


@boards.get("/boards/<slug>/list.csv")
def download_list(slug: str) -> ResponseReturnValue:
    """Hand over every card of the list as CSV, sent while it is read."""
    pieces = cards_as_csv(
        find_board(slug),
        Listing.from_args(request.args, reader_id()),
        current_actor(),
        reader_zone(),
        current_app.extensions["settings"].base_url,
    )
    return Response(
        pieces,
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{slug}.csv"'},
    )


def _columns(identity: BoardIdentity, listing: Listing) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "label": label,
            "sort_url": _address(identity, listing.sorted_by(key)),
            "sorted": ("desc" if listing.down else "asc") if key == listing.sort else None,
        }
        for key, label in _COLUMNS
    ]


def _address(identity: BoardIdentity, listing: Listing, *, suffix: str = "", cursor: str = "") -> str:
    query = "&".join(part for part in (listing.as_query(), cursor) if part)
    return f"{identity.url}/list{suffix}" + (f"?{query}" if query else "")
