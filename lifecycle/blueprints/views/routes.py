"""`/boards/<slug>/views`: a board's filter saved under a name, renamed and removed."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qsl

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.views import views
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.insight.boards.board import BoardIdentity, find_board
from lifecycle.insight.boards.saved import kept_query, read_view_bar, view_url
from lifecycle.records.people.permissions import require
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.records.views.models import SavedView
from lifecycle.records.views.record import LONGEST_NAME, remove_view, rename_view, save_view
from lifecycle.web.access import current_actor

_LONGEST_QUERY = 4_000


@views.get("/boards/<slug>/views")
def show_views(slug: str) -> ResponseReturnValue:
    """Show a board's shared views and the reader's own, to be renamed and removed."""
    require(current_actor(), "boards.read")
    return _page(find_board(slug))


@views.post("/boards/<slug>/views")
def create_view(slug: str) -> ResponseReturnValue:
    """Save the filter of the page that the form stood on."""
    actor, identity = current_actor(), find_board(slug)
    is_list = request.form.get("list") == "1"
    args = dict(parse_qsl(request.form.get("query", "")[:_LONGEST_QUERY]))
    query = kept_query(args, actor.user_id, is_list=is_list)
    try:
        with transaction():
            view = save_view(
                identity.pipeline.id,
                actor,
                name=request.form.get("name", ""),
                query=query,
                is_list=is_list,
                is_shared=request.form.get("shared") == "1",
            )
    except Invalid as refusal:
        return _page(identity, 422, refusal=refusal, args=args, is_list=is_list)
    flash(f"Saved as “{view.name}”" + (", for everybody." if view.is_shared else "."), "passed")
    return redirect(view_url(identity, view), 303)


@views.post("/views/<uuid:view_id>/name")
def create_name(view_id: uuid.UUID) -> ResponseReturnValue:
    """Give a view another name."""
    try:
        with transaction():
            slug = _slug_of(rename_view(view_id, current_actor(), request.form.get("name", "")))
    except Invalid as refusal:
        view = db.session.get_one(SavedView, view_id)
        return _page(find_board(_slug_of(view)), 422, refusal=refusal, renamed=view_id)
    return redirect(url_for("views.show_views", slug=slug), 303)


@views.post("/views/<uuid:view_id>/removal")
def create_removal(view_id: uuid.UUID) -> ResponseReturnValue:
    """Remove a view."""
    with transaction():
        view = remove_view(view_id, current_actor())
        name, slug = view.name, _slug_of(view)
    flash(f"“{name}” is removed.", "passed")
    return redirect(url_for("views.show_views", slug=slug), 303)


def _slug_of(view: SavedView) -> str:
    return db.session.get_one(Pipeline, view.pipeline_id).slug


def _page(
    identity: BoardIdentity,
    status: int = 200,
    *,
    refusal: Invalid | None = None,
    renamed: uuid.UUID | None = None,
    args: dict[str, str] | None = None,
    is_list: bool = False,
) -> ResponseReturnValue:
    context: dict[str, Any] = {
        "identity": identity,
        "bar": read_view_bar(identity, args or {}, current_actor(), is_list=is_list),
        "refusal": refusal,
        "renamed": renamed,
        "typed": request.form,
        "longest": LONGEST_NAME,
    }
    return make_response(render_template("views/list.html", **context), status)
