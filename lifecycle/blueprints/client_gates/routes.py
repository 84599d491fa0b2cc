"""All client gates, and one with its status, owner, due date, reminders, notes, history and proof (E8)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from flask import flash, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.client_gates import client_gates
from lifecycle.core.clock import now
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid, Refusal
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.playbooks.library import list_current_revisions
from lifecycle.governance.requests import decide
from lifecycle.insight.ages import AGES, age_of
from lifecycle.insight.client_gates import FILTERS, find_request, list_client_gates, read_client_gate
from lifecycle.insight.form_paper import paper_of_submission
from lifecycle.insight.gate_overview import PAGE as GATE_ROWS
from lifecycle.insight.gate_overview import gates_of, read_gate_overview
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can, require
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import page_number, uuid_of
from lifecycle.web.htmx import go_to
from lifecycle.web.reader import reader_id, reader_zone


@client_gates.get("/client-gates")
def list_gates() -> ResponseReturnValue:
    """List what is open with clients, the most urgent first."""
    require(current_actor(), "boards.read")
    chosen = request.args.get("status", "waiting")
    chosen = chosen if chosen in FILTERS else "waiting"
    mine = request.args.get("owner") == "me"
    age, page = age_of(request.args.get("age")), page_number(request.args.get("page"))
    owner = reader_id() if mine else None
    lines, counts, more = list_client_gates(chosen, owner=owner, age=age, page=page)

    def address(**changed: Any) -> str:
        asked = {"status": chosen, "owner": "me" if mine else None, "age": age, **changed}
        return url_for("client_gates.list_gates", **asked)

    return render_template(
        "client_gates/list.html",
        lines=lines,
        counts=counts,
        previous_url=address(page=page - 1) if page > 1 else None,
        next_url=address(page=page + 1) if more else None,
        address=address,
        chosen=chosen,
        mine=mine,
        age=AGES[age][0] if age is not None else "",
        filters=FILTERS,
    )


@client_gates.get("/client-gates/overview")
def show_overview() -> ResponseReturnValue:
    """Show every gate of every customer of a playbook side by side."""
    require(current_actor(), "boards.read")
    playbooks = {each.playbook.key: each.playbook for each in list_current_revisions()}
    with_gates = {key: playbook for key, playbook in playbooks.items() if gates_of(playbook)}
    wanted = request.args.get("playbook", "")
    chosen = with_gates.get(wanted) or next(iter(with_gates.values()), None)
    page = page_number(request.args.get("page"))
    overview = read_gate_overview(chosen, now(), page) if chosen else None

    def address(**changed: Any) -> str:
        return url_for(
            "client_gates.show_overview", **{"playbook": chosen.key if chosen else None, **changed}
        )

    return render_template(
        "client_gates/overview.html",
        overview=overview,
        chosen=chosen,
        playbooks=with_gates,
        address=address,
        first=(page - 1) * GATE_ROWS + 1,
        previous_url=address(page=page - 1) if page > 1 else None,
        next_url=address(page=page + 1) if overview and page * GATE_ROWS < overview.count else None,
    )


@client_gates.get("/client-gates/<uuid:request_id>")
def show_gate(request_id: uuid.UUID) -> ResponseReturnValue:
    """Show one request to a client."""
    return _page(request_id)


@client_gates.get("/client-gates/<uuid:request_id>/submissions/<int:number>.pdf")
def show_submission(request_id: uuid.UUID, number: int) -> ResponseReturnValue:
    """Give a submission of a form as PDF."""
    require(current_actor(), "boards.read")
    name, pdf = paper_of_submission(find_request(request_id), number)
    return send_file(BytesIO(pdf), mimetype="application/pdf", as_attachment=True, download_name=name)


@client_gates.post("/client-gates/<uuid:request_id>/reminders")
def create_reminder(request_id: uuid.UUID) -> ResponseReturnValue:
    """Remind the client now."""
    return _act(request_id, decide.remind_client, "A reminder is on its way.")


@client_gates.post("/client-gates/<uuid:request_id>/extensions")
def create_extension(request_id: uuid.UUID) -> ResponseReturnValue:
    """Give the client more time."""

    def extend(subject: Subject, actor: Actor, wanted: uuid.UUID) -> None:
        decide.extend_request(subject, actor, wanted, _instant(request.form.get("due", "")))

    return _act(request_id, extend, "The client has until then; reminders follow the new date.")


@client_gates.post("/client-gates/<uuid:request_id>/acceptances")
def create_acceptance(request_id: uuid.UUID) -> ResponseReturnValue:
    """Accept what was submitted."""

    def accept(subject: Subject, actor: Actor, wanted: uuid.UUID) -> None:
        decide.accept_submission(subject, actor, wanted, _seen())

    return _act(request_id, accept, "Accepted.")


@client_gates.post("/client-gates/<uuid:request_id>/returns")
def create_return(request_id: uuid.UUID) -> ResponseReturnValue:
    """Return what was submitted, saying what to mend."""

    def send_back(subject: Subject, actor: Actor, wanted: uuid.UUID) -> None:
        comments = {
            name.removeprefix("comment-"): text
            for name, text in request.form.items()
            if name.startswith("comment-")
        }
        decide.return_submission(subject, actor, wanted, request.form.get("reason", ""), comments, _seen())

    return _act(request_id, send_back, "Returned to the client.")


@client_gates.post("/client-gates/<uuid:request_id>/revocations")
def create_revocation(request_id: uuid.UUID) -> ResponseReturnValue:
    """Make all links of the request useless."""
    return _act(request_id, decide.revoke_request_links, "No link opens it any more.")


@client_gates.post("/client-gates/<uuid:request_id>/withdrawals")
def create_withdrawal(request_id: uuid.UUID) -> ResponseReturnValue:
    """Take the request back."""
    return _act(request_id, decide.withdraw_request, "Withdrawn.")


@client_gates.post("/client-gates/<uuid:request_id>/askings")
def create_asking(request_id: uuid.UUID) -> ResponseReturnValue:
    """Ask anew, with what is so now: the contact chosen, or somebody named here."""
    asked = find_request(request_id)
    new: list[uuid.UUID] = []

    def ask(subject: Subject, actor: Actor, _wanted: uuid.UUID) -> None:
        made = decide.ask_client(
            subject,
            actor,
            asked.key,
            contact_id=uuid_of(request.form.get("contact")),
            name=request.form.get("name", ""),
            email=request.form.get("email", ""),
        )
        new.append(made.id)

    return _act(request_id, ask, "Asked.", leads_to=lambda: new[-1])


def _act(
    request_id: uuid.UUID,
    act: Callable[[Subject, Actor, uuid.UUID], object],
    said: str,
    *,
    leads_to: Callable[[], uuid.UUID] | None = None,
) -> ResponseReturnValue:
    actor = current_actor()
    card_id = find_request(request_id).card_id
    try:
        with transaction(), changing_card(card_id, actor, permission="client_requests.ask") as subject:
            act(subject, actor, request_id)
    except (Invalid, Conflict) as refusal:
        return _page(request_id, refusal), refusal.status
    flash(said, "passed")
    return go_to(url_for("client_gates.show_gate", request_id=leads_to() if leads_to else request_id))


def _page(request_id: uuid.UUID, refusal: Refusal | None = None) -> str:
    actor = current_actor()
    require(actor, "boards.read")
    return render_template(
        "client_gates/show.html",
        gate=read_client_gate(request_id),
        refusal=refusal,
        errors=refusal.field_errors if isinstance(refusal, Invalid) else {},
        typed=request.form,
        can_act=can(actor, "client_requests.ask"),
    )


def _seen() -> datetime | None:
    """Return when that answer was sent which the page showed; None for a page that did not say."""
    try:
        seen = datetime.fromisoformat(request.form.get("seen", ""))
    except ValueError:
        return None
    return seen if seen.tzinfo is not None else None


def _instant(text: str) -> datetime:
    local: datetime | None
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        local = None
    if local is None or not 1900 <= local.year <= 2200:
        raise Invalid("That is not a date and time.", {"due": "Give a date and time."})
    return local.replace(tzinfo=reader_zone()).astimezone(UTC)
