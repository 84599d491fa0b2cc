"""Saving, renaming and removing views. The door opens the transaction."""

from __future__ import annotations

import uuid

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound, NotPermitted
from lifecycle.core.text import one_line
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can, require
from lifecycle.records.views.models import SavedView

LONGEST_NAME = 60
MOST_OWN = 30
MOST_SHARED = 60


def save_view(
    pipeline_id: int, actor: Actor, *, name: str, query: str, is_list: bool, is_shared: bool
) -> SavedView:
    """Keep a board's filter under a name.

    Args:
        query: the query part of the address, cleaned by the reader of the board's addresses.

    Raises:
        Invalid: nothing is narrowed, the name is no name or taken, or there are too many.
        NotPermitted: the actor may not share.
    """
    require(actor, "views.share" if is_shared else "views.save")
    assert actor.user_id is not None, "a view is somebody's"
    if not query:
        raise Invalid("Nothing is narrowed yet. Filter the board first, then save what you see.")
    view = SavedView(
        pipeline_id=pipeline_id,
        owner_id=actor.user_id,
        name=_read_name(name),
        query=query,
        is_list=is_list,
        is_shared=is_shared,
    )
    _refuse_too_many(view)
    return _write(view)


def rename_view(view_id: uuid.UUID, actor: Actor, name: str) -> SavedView:
    """Give a view another name.

    Raises:
        NotFound, NotPermitted.
        Invalid: the name is no name or taken.
    """
    view = _get_changeable(view_id, actor)
    view.name = _read_name(name)
    return _write(view)


def remove_view(view_id: uuid.UUID, actor: Actor) -> SavedView:
    """Remove a view for good, and return what it was.

    Raises:
        NotFound, NotPermitted.
    """
    view = _get_changeable(view_id, actor)
    db.session.delete(view)
    return view


def may_change(view: SavedView, actor: Actor) -> bool:
    """Say whether the actor may rename and remove a view: its owner, and for a shared one a manager."""
    return view.owner_id == actor.user_id or (view.is_shared and can(actor, "views.manage"))


def _get_changeable(view_id: uuid.UUID, actor: Actor) -> SavedView:
    view = db.session.get(SavedView, view_id, with_for_update=True)
    # Somebody else's own view is not told apart from one that is not there.
    if view is None or not (view.is_shared or view.owner_id == actor.user_id):
        raise NotFound("This view is no longer there. Somebody may have removed it.")
    if not may_change(view, actor):
        raise NotPermitted("Only who shared this view, or a manager, may change it. Nothing was changed.")
    return view


def _read_name(typed: str) -> str:
    name = one_line(typed)
    if not name:
        raise Invalid("Give the view a name.", {"name": "Give the view a name."})
    if len(name) > LONGEST_NAME:
        sentence = f"A name may have {LONGEST_NAME} characters; this has {len(name):,}."
        raise Invalid(sentence, {"name": sentence})
    return name


def _refuse_too_many(view: SavedView) -> None:
    of_its_kind = select(func.count()).where(
        SavedView.pipeline_id == view.pipeline_id, SavedView.is_shared.is_(view.is_shared)
    )
    if not view.is_shared:
        of_its_kind = of_its_kind.where(SavedView.owner_id == view.owner_id)
    most = MOST_SHARED if view.is_shared else MOST_OWN
    if db.session.scalars(of_its_kind).one() >= most:
        whose = "shared views" if view.is_shared else "views of your own"
        raise Invalid(
            f"This board has {most} {whose} already. Remove one that nobody needs, then save again."
        )


def _write(view: SavedView) -> SavedView:
    name, is_shared = view.name, view.is_shared
    try:
        with db.session.begin_nested():
            db.session.add(view)
    except IntegrityError:
        whose = "A shared view" if is_shared else "A view of yours"
        sentence = f"{whose} on this board is called “{name}” already. Choose another name."
        raise Invalid(sentence, {"name": sentence}) from None
    return view
