"""How a card's doors answer: the panel, the drawer or the page it was asked from, and the open board."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, NotPermitted
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.fields.values import show_value
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import FieldDef
from lifecycle.insight.boards.board import Touched, find_board, read_touched
from lifecycle.insight.boards.filters import BoardFilter
from lifecycle.insight.cards.gate import GateView, read_gate
from lifecycle.insight.cards.page import may_decide, option_name, read_card_page, read_facts
from lifecycle.insight.client_gates import STATUS_WORDS
from lifecycle.records.evidence.timeline import timeline_of_card
from lifecycle.records.people.actor import Actor
from lifecycle.web.access import current_actor
from lifecycle.web.errors import answer_with_sentence
from lifecycle.web.htmx import is_fragment_request, render_fragment
from lifecycle.web.inputs import build_form, rows_after, rows_shown, typed_values
from lifecycle.web.reader import reader_id, reader_zone
from lifecycle.work.attachments.record import MEDIA
from lifecycle.work.client_requests.subject import hash_shown


@dataclass
class Problem:
    """What was refused: which form, why, and what had been typed, to be filled in again.

    `is_shown` tells after drawing whether a form took the sentence: the one that was sent may be gone by now.
    `rows` asks for more or fewer rows of a table and refuses nothing (see `web.inputs.rows_after`).
    """

    form: str
    sentence: str
    errors: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    status: int = 422
    rows: str = ""
    is_shown: bool = False

    def show_at(self, form: str) -> bool:
        """Say whether the sentence belongs at `form`, which then shows it."""
        belongs = form == self.form
        self.is_shown = self.is_shown or belongs
        return belongs


def change(
    card_id: uuid.UUID,
    act: Callable[[Subject, Actor], object],
    *,
    permission: str = "cards.edit",
    allow_closed: bool = False,
    seen_version: int | None = None,
) -> ResponseReturnValue:
    """Do something to a held card in one transaction, and answer where it was asked from.

    A refusal is shown at its form, with everything that was typed.
    """

    def hold_and_act(actor: Actor) -> None:
        with changing_card(
            card_id, actor, permission=permission, allow_closed=allow_closed, seen_version=seen_version
        ) as subject:
            act(subject, actor)

    return change_by(card_id, hold_and_act)


def change_by(card_id: uuid.UUID, act: Callable[[Actor], object]) -> ResponseReturnValue:
    """Do something that holds what it needs itself, and answer as `change` does."""
    actor = current_actor()
    try:
        with transaction():
            act(actor)
    except (Invalid, Conflict, NotPermitted) as refusal:
        errors = refusal.field_errors if isinstance(refusal, Invalid) else {}
        form = request.form.get("form", "")
        problem = Problem(form, refusal.sentence, errors, request.form, refusal.status)
        return answer(card_id, problem)
    return answer(card_id)


def answer(card_id: uuid.UUID, problem: Problem | None = None) -> ResponseReturnValue:
    """Return what the asker was looking at, as it is now; a refusal that finds no form there stands alone."""
    response = _answer(card_id, problem)
    if problem is None or problem.is_shown or problem.rows:
        return response
    if is_fragment_request():
        # Beside what is on the screen, so that what was typed stays there.
        return answer_with_sentence(problem.sentence, problem.status)
    alone = Problem("", problem.sentence, status=problem.status)
    return card_fragment("cards/show.html", card_id, alone, problem.status)


def _answer(card_id: uuid.UUID, problem: Problem | None) -> ResponseReturnValue:
    to_stage = request.form.get("gate_to") or None
    status = 422 if problem and not problem.rows else 200
    if is_fragment_request():
        if to_stage:
            return gate_drawer(card_id, to_stage, problem, status)
        if request.headers.get("HX-Target") == "card-view":
            return card_fragment("cards/_view.html", card_id, problem, status)
        return card_fragment("cards/drawer.html", card_id, problem, status)
    if problem and to_stage and request.form.get("place") == "gate":
        return gate_drawer(card_id, to_stage, problem, status, template="cards/gate.html")
    if problem:
        return card_fragment("cards/show.html", card_id, problem, status)
    if to_stage and request.form.get("place") == "gate":
        return redirect(url_for("cards.show_gate", card_id=card_id, to=to_stage), 303)
    return redirect(url_for("cards.show_card", card_id=card_id), 303)


def card_fragment(
    template: str, card_id: uuid.UUID, problem: Problem | None = None, status: int = 200
) -> Response:
    """Return the card as page, drawer or view."""
    actor = current_actor()
    page = read_card_page(card_id, actor)
    return render_fragment(
        template,
        status,
        page=page,
        facts=page.facts,
        subject=page.subject,
        gate=page.gate,
        **read_timeline(page.subject),
        problem=problem,
        touched=touched_by(page.subject) if request.method == "POST" else None,
        place="page" if template == "cards/show.html" else request.form.get("place", "drawer"),
        **fix_context(actor),
    )


def read_timeline(subject: Subject) -> dict[str, Any]:
    """Return the part of the card's timeline that the address asks for, and what its template needs."""
    kinds, before = request.args.get("show", ""), request.args.get("before", type=uuid.UUID)
    fields, currency = subject.playbook.fields, subject.card.value_currency

    def shown(key: str, value: Any) -> str | None:
        return show_value(fields[key], value, currency) if key in fields else None

    return {
        "timeline": timeline_of_card(subject.card.id, [kinds], before, show=shown),
        "timeline_url": url_for("cards.show_timeline", card_id=subject.card.id),
        "kinds": kinds,
        "is_continued": before is not None,
    }


def gate_drawer(
    card_id: uuid.UUID,
    to_stage: str,
    problem: Problem | None = None,
    status: int = 200,
    *,
    template: str = "cards/gate_drawer.html",
) -> Response:
    """Return the gate panel as it is now; if the card moved meanwhile, say so instead."""
    subject = get_subject(card_id)
    if to_stage == subject.stage.key or subject.pipeline.find_stage(to_stage) is None:
        whole = "cards/show.html" if template == "cards/gate.html" else "cards/drawer.html"
        return card_fragment(whole, card_id, problem, status)
    gate = read_gate(subject, to_stage, current_actor())
    return gate_fragment(subject, gate, problem, status, template=template)


def gate_fragment(
    subject: Subject,
    gate: GateView,
    problem: Problem | None = None,
    status: int = 200,
    *,
    template: str = "cards/gate_drawer.html",
) -> Response:
    """Return a gate panel with the fix of every check that is not met."""
    actor = current_actor()
    board = find_board(_slug(subject))
    return render_fragment(
        template,
        status,
        gate=gate,
        subject=subject,
        facts=read_facts(subject.card.id, subject.card.account_id),
        questions=build_form("answer", gate.asks, gate.answers, gate.errors) if gate.asks else None,
        problem=problem,
        board=board,
        touched=touched_by(subject) if request.method == "POST" else None,
        place="page" if template == "cards/gate.html" else "board",
        **fix_context(actor),
    )


def fix_context(actor: Actor) -> dict[str, Any]:
    """Return what the fixes of checks need besides the card's facts."""
    return {
        "actor": actor,
        "media": MEDIA,
        "may_decide": lambda approval: may_decide(approval, actor),
        "option_name": option_name,
        "request_words": STATUS_WORDS.__getitem__,
        "fields_form": _fields_form,
        "mark_of": mark_of,
    }


def mark_of(value: Any) -> str:
    """Return a short mark of a stored table: who saves another's rows away is told first."""
    return hash_shown({"value": value})[:16]


@dataclass(frozen=True)
class FieldsForm:
    """Fields of the card with the form that edits them."""

    fields: list[FieldDef]
    form: FlaskForm
    errors: Mapping[str, str]
    values: Mapping[str, Any]

    def rows_of(self, table: FieldDef) -> int:
        """Return how many rows of a table are shown."""
        return rows_shown(table, self.values.get(table.key))


def _fields_form(subject: Subject, keys: Iterable[str], problem: Problem | None) -> FieldsForm:
    # A score is nobody's to write.
    definitions = [field for key in keys if not (field := subject.playbook.fields[key]).computed_by]
    values = {item.key: subject.value(item.key) for item in definitions}
    if problem:
        values |= typed_values("field", definitions, problem.typed)
        tables = (item for item in definitions if item.type == "table")
        values |= {item.key: rows_after(item, values[item.key], problem.rows) for item in tables}
    errors = problem.errors if problem else {}
    return FieldsForm(definitions, build_form("field", definitions, values, errors), errors, values)


def touched_by(subject: Subject, *stages: str) -> Touched:
    """Return the card's present face and the headers of `stages`, for an open board."""
    identity = find_board(_slug(subject))
    return read_touched(
        identity, [subject.card.id], stages or (subject.stage.key,), BoardFilter(), reader_id(), reader_zone()
    )


def _slug(subject: Subject) -> str:
    return subject.pipeline.slug


def wants_page() -> bool:
    """Say whether a browser without htmx asks, which wants pages and redirects; programs get JSON."""
    return "text/html" in request.headers.get("Accept", "")
