"""The doors of a board."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.dialects.postgresql import insert

from lifecycle.blueprints.boards import boards
from lifecycle.blueprints.boards.forms import QuickAddForm
from lifecycle.core.db import db, one_moment, transaction
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.governance.cards.limits import StageFull, may_exceed
from lifecycle.governance.moves.bulk import CardToMove, move_cards
from lifecycle.governance.moves.create import create_card
from lifecycle.insight.boards.board import (
    BEFORE_ALL,
    BoardIdentity,
    find_board,
    read_board,
    read_column_page,
    read_touched,
)
from lifecycle.insight.boards.directory import list_boards as read_directory
from lifecycle.insight.boards.directory import list_people
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.boards.saved import read_view_bar
from lifecycle.records.accounts.quick import find_or_create_account
from lifecycle.records.cards.models import CollapsedColumn
from lifecycle.records.people.permissions import can, require
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import own_path
from lifecycle.web.htmx import is_fragment_request, render_fragment
from lifecycle.web.inputs import build_form
from lifecycle.web.reader import reader_id, reader_zone


@boards.get("/")
def show_start() -> ResponseReturnValue:
    """Lead to the boards."""
    return redirect(url_for("boards.list_boards"), 303)


@boards.get("/boards")
def list_boards() -> ResponseReturnValue:
    """List every board with what is on it."""
    return render_template("boards/list.html", boards=read_directory())


@boards.get("/boards/<slug>")
def show_board(slug: str) -> ResponseReturnValue:
    """Show a board, narrowed by the filter in the address."""
    narrowed = BoardFilter.from_args(request.args, reader_id())
    identity = find_board(slug)
    # The cursor first: what changes while the board is read comes again with the first poll.
    cursor = current_app.extensions["board_changes"].cursor(identity.pipeline.id)
    with one_moment():
        board = read_board(identity, narrowed, reader_id(), reader_zone())
    actor = current_actor()
    return render_template(
        "boards/show.html",
        board=board,
        filter=narrowed,
        cursor=cursor,
        people=list_people(),
        bar=read_view_bar(identity, request.args, actor, is_list=False),
        can_move=can(actor, "cards.move"),
        can_create=can(actor, "cards.create"),
    )


@boards.get("/boards/<slug>/columns/<stage>")
def show_column_page(slug: str, stage: str) -> ResponseReturnValue:
    """Return the next cards of a column, for scrolling; without a script, the board narrowed to them."""
    identity = find_board(slug)
    narrowed = BoardFilter.from_args(request.args, reader_id())
    cards, more_url = read_column_page(
        identity, stage, _position(request.args.get("after", "")), narrowed, reader_zone()
    )
    template = "boards/_column_page.html" if is_fragment_request() else "boards/column_page.html"
    return render_fragment(
        template, cards=cards, more_url=more_url, identity=identity, stage=identity.stage(stage)
    )


def _position(text: str) -> tuple[int, uuid.UUID]:
    if not text:
        return BEFORE_ALL
    order, _, card_id = text.partition(".")
    try:
        position = int(order), uuid.UUID(card_id)
    except ValueError:
        raise NotFound("The column changed meanwhile. Reload the board.") from None
    if abs(position[0]) > 2**62:
        raise NotFound("The column changed meanwhile. Reload the board.")
    return position


@boards.post("/boards/<slug>/collapsed")
def create_collapse(slug: str) -> ResponseReturnValue:
    """Remember that the reader folded or unfolded a column."""
    identity = find_board(slug)
    stage = identity.stage(request.form.get("stage", ""))
    values = {"is_collapsed": request.form.get("collapsed") == "1"}
    with transaction():
        db.session.execute(
            insert(CollapsedColumn)
            .values(user_id=reader_id(), stage_id=stage.id, **values)
            .on_conflict_do_update(index_elements=["user_id", "stage_id"], set_=values)
        )
    return _back_to(identity)


@boards.get("/boards/<slug>/cards/new")
def show_quick_add(slug: str) -> ResponseReturnValue:
    """Show the form for a new card: inside its column, or as a page."""
    require(current_actor(), "cards.create")
    identity = find_board(slug)
    form = QuickAddForm(stage=request.args.get("stage") or identity.definition.first_stage.key)
    return _quick_add(identity, form)


@boards.post("/boards/<slug>/cards")
def create_board_card(slug: str) -> ResponseReturnValue:
    """Put a new card on the board; the form stays open for the next one."""
    identity = find_board(slug)
    form = QuickAddForm()
    if not form.validate_on_submit():
        return _quick_add(identity, form, 422)
    assert form.account.data is not None
    assert form.title.data is not None
    actor = current_actor()
    try:
        with transaction():
            account, is_new = find_or_create_account(form.account.data, actor)
            card = create_card(
                slug,
                actor=actor,
                channel="board",
                account_id=account.id,
                title=form.title.data,
                stage=form.stage.data or None,
                value_amount=form.value.data,
                value_currency=form.currency.data if form.value.data is not None else None,
                over_limit=form.over_limit.data or "",
            )
    except Invalid as refusal:
        _show_errors(form, refusal)
        full = isinstance(refusal, StageFull) and may_exceed(actor)
        return _quick_add(identity, form, 422, asks_why=full)
    said = f"“{card.title}” is on the board" + (f"; {account.name} is a new account." if is_new else ".")
    if not is_fragment_request():
        flash(said, "passed")
        return redirect(url_for("cards.show_card", card_id=card.id), 303)
    stage_key = form.stage.data or identity.definition.first_stage.key
    touched = read_touched(identity, [card.id], [stage_key], BoardFilter(), reader_id(), reader_zone())
    fresh = QuickAddForm(formdata=None, stage=stage_key, currency=form.currency.data)
    return render_fragment(
        "boards/created.html",
        identity=identity,
        form=fresh,
        touched=touched,
        said=said,
        stage_key=stage_key,
        asks_why=False,
    )


def _quick_add(
    identity: BoardIdentity, form: QuickAddForm, status: int = 200, *, asks_why: bool = False
) -> Response:
    template = "boards/_quick_add.html" if is_fragment_request() else "boards/quick_add.html"
    return render_fragment(template, status, identity=identity, form=form, asks_why=asks_why)


def _show_errors(form: QuickAddForm, refusal: Invalid) -> None:
    places = {"value_amount": form.value, "value_currency": form.currency, "account": form.account}
    shown = False
    for key, sentence in refusal.field_errors.items():
        field = places.get(key) or form._fields.get(key)
        if field is not None:
            field.errors = [sentence]
            shown = True
    if not shown:
        form.title.errors = [refusal.sentence]


@boards.post("/boards/<slug>/moves")
def create_bulk_move(slug: str) -> ResponseReturnValue:
    """Move many cards to one stage, each in a transaction of its own; every refusal is told.

    Takes `to_stage` and any number of `card` values `<uuid>:<visit>`. Answers JSON where that is asked for.
    """
    identity = find_board(slug)
    to_stage = identity.stage(request.form.get("to_stage", ""))
    chosen = [_card_to_move(text) for text in request.form.getlist("card")[:500]]
    as_data = request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    back = own_path(request.form.get("back"), identity.url)
    if not chosen and as_data:
        raise Invalid("Choose at least one card.")
    if not chosen:
        flash("Choose at least one card first, then where to move it.", "warning")
        return redirect(back, 303)
    outcomes = move_cards(
        identity.pipeline.id,
        chosen,
        to_stage.key,
        actor=current_actor(),
        channel="bulk",
        answers=_answers(),
        reason=request.form.get("reason", ""),
        override=request.form.get("override") == "1",
    )
    moved = sum(1 for outcome in outcomes if outcome.moved)
    if as_data:
        return {
            "moved": moved,
            "refused": len(outcomes) - moved,
            "cards": [
                {"card": str(o.card_id), "outcome": o.outcome, "visit": o.visit_id, "says": o.sentences}
                for o in outcomes
            ],
        }
    asked = {question.key: question for outcome in outcomes for question in outcome.asks}
    return render_template(
        "boards/bulk_result.html",
        identity=identity,
        outcomes=outcomes,
        moved=moved,
        to=to_stage,
        back=back,
        questions=build_form("answer", list(asked.values()), _answers()),
        again=[outcome for outcome in outcomes if outcome.asks or outcome.needs_reason],
        reason=request.form.get("reason", ""),
    )


def _answers() -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for key in request.form:
        if key.startswith("answer-"):
            values = request.form.getlist(key)
            answers[key.removeprefix("answer-")] = values if len(values) > 1 else values[0]
    return answers


def _card_to_move(text: str) -> CardToMove:
    card_id, _, visit = text.partition(":")
    try:
        return CardToMove(uuid.UUID(card_id), int(visit))
    except ValueError:
        raise Invalid("A card is named by its id and the visit you saw. Nothing was changed.") from None


def _back_to(identity: BoardIdentity) -> ResponseReturnValue:
    if is_fragment_request() or request.headers.get("Accept", "").startswith("*/*"):
        return Response(status=204)
    return redirect(identity.url, 303)
