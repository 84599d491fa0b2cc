"""Moving a card, the gate in its way, where it may go, and taking a move back."""

from __future__ import annotations

import uuid

from flask import flash, jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.cards import cards
from lifecycle.blueprints.cards.answer import gate_fragment, wants_page
from lifecycle.blueprints.cards.forms import MoveForm
from lifecycle.core.db import one_moment, transaction
from lifecycle.core.errors import Invalid
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Moved, Stale
from lifecycle.governance.moves.targets import list_targets
from lifecycle.governance.moves.undo import undo_move
from lifecycle.insight.boards.board import find_board, read_touched
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.cards.gate import blocked_gate, read_gate
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to, is_fragment_request, render_fragment
from lifecycle.web.reader import reader_id, reader_zone

_CHANNELS = frozenset({"board", "keyboard", "menu", "page"})


@cards.post("/cards/<uuid:card_id>/moves")
def create_move(card_id: uuid.UUID) -> ResponseReturnValue:
    """Move a card: 200 moved, 422 blocked with every reason, 409 when somebody was faster."""
    form = MoveForm()
    if not form.validate_on_submit():
        raise Invalid("Say where the card should go, and which visit you saw. Nothing was changed.")
    assert form.to_stage.data is not None
    assert form.seen_visit.data is not None
    channel = form.channel.data if form.channel.data in _CHANNELS else "board"
    with transaction():
        outcome = move_card(
            card_id,
            form.to_stage.data,
            actor=current_actor(),
            channel=channel,
            seen_visit=form.seen_visit.data,
            answers=_typed_answers(),
            reason=form.reason.data or "",
            override=form.override.data == "1",
            over_limit=form.over_limit.data == "1",
        )
    if isinstance(outcome, Moved):
        return _moved(outcome)
    return _blocked(outcome) if isinstance(outcome, Blocked) else _stale(outcome)


def _typed_answers() -> dict[str, object]:
    answers: dict[str, object] = {}
    for key in request.form:
        if key.startswith("answer-"):
            values = request.form.getlist(key)
            answers[key.removeprefix("answer-")] = values if len(values) > 1 else values[0]
    return answers


def _moved(outcome: Moved) -> ResponseReturnValue:
    said = f"Moved to {outcome.to_stage.name}. {outcome.remark}".rstrip()
    if not is_fragment_request():
        if wants_page():
            flash(said, "passed")
            return redirect(url_for("cards.show_card", card_id=outcome.card_id), 303)
        return jsonify(
            outcome="moved", card=str(outcome.card_id), visit=outcome.visit_id, stage=outcome.to_stage.key
        )
    if request.form.get("place") == "page":
        flash(said, "passed")
        return go_to(url_for("cards.show_card", card_id=outcome.card_id))
    identity = find_board(outcome.board)
    stages = (outcome.from_stage.key, outcome.to_stage.key)
    with one_moment():
        touched = read_touched(identity, [outcome.card_id], stages, BoardFilter(), reader_id(), reader_zone())
    return render_fragment("cards/moved.html", outcome=outcome, touched=touched, board_url=identity.url)


def _blocked(outcome: Blocked) -> ResponseReturnValue:
    gate = blocked_gate(outcome, current_actor())
    if is_fragment_request():
        return gate_fragment(outcome.subject, gate, status=422)
    if wants_page():
        return gate_fragment(outcome.subject, gate, status=422, template="cards/gate.html")
    answer = {"outcome": "blocked", "says": outcome.sentences, "gate": gate.as_data()}
    return make_response(jsonify(answer), 422)


def _stale(outcome: Stale) -> ResponseReturnValue:
    if not is_fragment_request():
        if wants_page():
            flash(outcome.sentence, "warning")
            return redirect(url_for("cards.show_card", card_id=outcome.card_id), 303)
        answer = {"outcome": "stale", "says": [outcome.sentence], "stage": outcome.stage.key}
        return make_response(jsonify(answer), 409)
    subject = get_subject(outcome.card_id)
    touched = read_touched(
        find_board(subject.pipeline.slug), [outcome.card_id], (), BoardFilter(), reader_id(), reader_zone()
    )
    return render_fragment(
        "cards/stale.html",
        409,
        outcome=outcome,
        touched=touched,
        board_url=f"/boards/{subject.pipeline.slug}",
    )


@cards.get("/cards/<uuid:card_id>/targets")
def show_targets(card_id: uuid.UUID) -> ResponseReturnValue:
    """List every stage with the state of its gate for this card: JSON for dragging, else the move menu."""
    subject = get_subject(card_id)
    targets = list_targets(subject, current_actor())
    if request.headers.get("Accept", "").startswith("application/json"):
        return jsonify(
            visit=subject.card.visit_id,
            targets=[
                {"stage": t.stage, "name": t.name, "state": t.state, "unmet": t.unmet, "says": t.says}
                for t in targets
            ],
        )
    template = "cards/targets_drawer.html" if is_fragment_request() else "cards/targets.html"
    return render_fragment(
        template, subject=subject, targets=targets, board_url=f"/boards/{subject.pipeline.slug}"
    )


@cards.get("/cards/<uuid:card_id>/gate")
def show_gate(card_id: uuid.UUID) -> ResponseReturnValue:
    """Show the gate between the card's stage and `to`, with every check and its fix."""
    subject = get_subject(card_id)
    to_stage = request.args.get("to", "")
    if subject.pipeline.find_stage(to_stage) is None or to_stage == subject.stage.key:
        raise Invalid("Name another stage of this card's pipeline.")
    gate = read_gate(subject, to_stage, current_actor())
    if is_fragment_request():
        return gate_fragment(subject, gate)
    if wants_page():
        return gate_fragment(subject, gate, template="cards/gate.html")
    return jsonify(gate.as_data())


@cards.post("/cards/<uuid:card_id>/undos")
def create_undo(card_id: uuid.UUID) -> ResponseReturnValue:
    """Take back the reader's own last move within a minute."""
    visit = request.form.get("visit", "")
    if not visit.isascii() or not visit.isdigit() or len(visit) > 18:
        raise Invalid("Say which move to take back.")
    left_stage = get_subject(card_id).stage
    with transaction():
        undo_move(card_id, int(visit), actor=current_actor(), channel="board")
    subject = get_subject(card_id)
    said = f"Taken back: it is in {subject.stage.name} again."
    if not is_fragment_request():
        flash(said, "passed")
        return redirect(url_for("cards.show_card", card_id=card_id), 303)
    touched = read_touched(
        find_board(subject.pipeline.slug),
        [card_id],
        (left_stage.key, subject.stage.key),
        BoardFilter(),
        reader_id(),
        reader_zone(),
    )
    return render_fragment(
        "cards/undone.html", touched=touched, said=said, board_url=f"/boards/{subject.pipeline.slug}"
    )
