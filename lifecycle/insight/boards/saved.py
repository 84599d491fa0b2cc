"""The saved views of a board, as its pages offer them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from lifecycle.insight.boards.board import BoardIdentity
from lifecycle.insight.boards.listing import Listing
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can
from lifecycle.records.views.models import SavedView
from lifecycle.records.views.queries import list_views
from lifecycle.records.views.record import may_change


@dataclass(frozen=True)
class ViewLink:
    """A saved view as a link. `shared_by` names who shared it; None for one of the reader's own."""

    id: uuid.UUID
    name: str
    url: str
    is_shared: bool
    shared_by: str | None
    is_current: bool
    may_change: bool


@dataclass(frozen=True)
class ViewBar:
    """The views of a board, and what would be saved now: `query` is empty when nothing is narrowed."""

    links: list[ViewLink]
    query: str
    is_list: bool
    may_share: bool

    @property
    def current(self) -> ViewLink | None:
        """The view that is looked at."""
        return next((link for link in self.links if link.is_current), None)


def read_view_bar(
    identity: BoardIdentity, args: Mapping[str, str], actor: Actor, *, is_list: bool
) -> ViewBar:
    """Return the views of a board for a page with this address. One query."""
    query = kept_query(args, actor.user_id, is_list=is_list)
    links = [
        ViewLink(
            id=view.id,
            name=view.name,
            url=view_url(identity, view),
            is_shared=view.is_shared,
            shared_by=owner if view.is_shared else None,
            is_current=(view.query, view.is_list) == (query, is_list),
            may_change=may_change(view, actor),
        )
        for view, owner in list_views(identity.pipeline.id, actor.user_id)
    ]
    return ViewBar(links, query, is_list, can(actor, "views.share"))


def view_url(identity: BoardIdentity, view: SavedView) -> str:
    """Return the address that a view leads to."""
    return f"{identity.url}{'/list' if view.is_list else ''}?{view.query}"


def kept_query(args: Mapping[str, str], me: uuid.UUID | None, *, is_list: bool) -> str:
    """Return what a view keeps of an address: its filter, cleaned; `owner=me` stays whoever opens it."""
    listing = Listing.from_args(args, me)
    query = listing.as_query() if is_list else listing.filter.as_query()
    return query.replace(f"owner={me}", "owner=me") if args.get("owner") == "me" else query
