"""Everything that is done for a card short of moving it: the fixes of checks, and its own page's forms."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from lifecycle.blueprints.cards import cards
from lifecycle.blueprints.cards.answer import Problem, answer, change, change_by, mark_of
from lifecycle.blueprints.cards.forms import AttachmentForm, DetailsForm, MeetingForm, NextActionForm
from lifecycle.core.clock import now
from lifecycle.core.errors import Invalid
from lifecycle.governance.cards import proofs
from lifecycle.governance.cards.edit import (
    add_comment,
    archive_card,
    edit_details,
    read_fields,
    restore_card,
    set_fields,
    set_next_action,
)
from lifecycle.governance.cards.waiting import start_waiting, stop_waiting
from lifecycle.governance.cards.waivers import waive_check
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.handoffs.answer import hand_over_again
from lifecycle.governance.requests.decide import ask_client
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can
from lifecycle.web.access import current_actor
from lifecycle.web.addresses import short_text, uuid_of
from lifecycle.web.bodies import takes_files
from lifecycle.web.inputs import typed_values
from lifecycle.web.reader import reader_id, reader_zone
from lifecycle.web.uploads import check_uploads, upload_of


def _instant(local: datetime | None) -> datetime | None:
    """Return a time typed in the reader's own zone as an instant."""
    if local is None:
        return None
    # Beyond these no calendar of ours counts, and at the ends of time other zones cannot show it.
    if not 1900 <= local.year <= 2200:
        raise Invalid("That date lies outside the calendar, which runs from 1900 to 2200.")
    return local.replace(tzinfo=reader_zone()).astimezone(UTC)


def _checked(form: FlaskForm) -> None:
    if not form.validate_on_submit():
        errors = {
            name: " ".join(map(str, field_errors)) for name, field_errors in form.errors.items() if name
        }
        raise Invalid(" ".join(errors.values()) or "Look at the form again.", errors)


@cards.post("/cards/<uuid:card_id>/fields")
def create_field_change(card_id: uuid.UUID) -> ResponseReturnValue:
    """Fill in fields of the card or its account; asked for rows of a table, show the form with them."""
    rows = request.form.get("rows", "")
    if rows:
        return answer(card_id, Problem(request.form.get("form", ""), "", typed=request.form, rows=rows))

    def act(subject: Subject, actor: Actor) -> None:
        typed = typed_values("field", list(subject.playbook.fields.values()), request.form)
        if not typed:
            raise Invalid("Nothing was filled in.")
        _check_marks(subject, typed)
        set_fields(subject, read_fields(subject, typed), actor)

    return change(card_id, act)


def _check_marks(subject: Subject, typed: Mapping[str, Any]) -> None:
    """Refuse to save a table over rows that were not seen; a second time it is meant so."""
    for key in typed:
        seen, field = request.form.get(f"field-{key}-seen"), subject.playbook.fields[key]
        if seen is not None and seen != mark_of(subject.value(key)):
            sentence = f"Somebody has changed {field.name} meanwhile. Save again to put yours in its place."
            raise Invalid(sentence, {key: sentence})


@cards.post("/cards/<uuid:card_id>/details")
def create_details_change(card_id: uuid.UUID) -> ResponseReturnValue:
    """Change title, value, contact and owner."""
    form = DetailsForm()
    # Their choices are the domain's to judge: it knows who may own a card.
    form.owner.validate_choice = form.contact.validate_choice = False

    def act(subject: Subject, actor: Actor) -> None:
        _checked(form)
        edit_details(
            subject,
            actor,
            title=form.title.data or "",
            value_amount=form.value.data,
            value_currency=form.currency.data,
            contact_id=uuid_of(form.contact.data),
            owner_id=uuid_of(form.owner.data) or subject.card.owner_id,
        )

    seen = request.form.get("version", "")
    version = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 18 else None
    return change(card_id, act, seen_version=version)


@cards.post("/cards/<uuid:card_id>/next-action")
def create_next_action(card_id: uuid.UUID) -> ResponseReturnValue:
    """Say what is to be done next."""
    form = NextActionForm()
    form.assignee.validate_choice = False

    def act(subject: Subject, actor: Actor) -> None:
        _checked(form)
        due = _instant(form.due.data)
        assert due is not None
        assignee = uuid_of(form.assignee.data) or subject.card.owner_id
        set_next_action(subject, actor, text=form.text.data or "", due_at=due, assignee_id=assignee)

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/comments")
def create_comment(card_id: uuid.UUID) -> ResponseReturnValue:
    """Say something about the card; possible on a closed one too."""

    def act(subject: Subject, actor: Actor) -> None:
        add_comment(subject, actor, request.form.get("body", ""))

    return change(card_id, act, permission="comments.write", allow_closed=True)


@cards.post("/cards/<uuid:card_id>/tasks")
def create_task(card_id: uuid.UUID) -> ResponseReturnValue:
    """Add a task."""

    def act(subject: Subject, actor: Actor) -> None:
        proofs.add_task(
            subject,
            actor,
            title=request.form.get("title", ""),
            assignee_id=uuid_of(request.form.get("assignee")) or reader_id(),
            due_at=_instant(_local(request.form.get("due", ""))),
        )

    return change(card_id, act)


def _local(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        raise Invalid("That is not a date and time.", {"due": "Give a date and time."}) from None


@cards.post("/cards/<uuid:card_id>/tasks/<uuid:task_id>/completion")
def create_task_completion(card_id: uuid.UUID, task_id: uuid.UUID) -> ResponseReturnValue:
    """Mark a task done, or open again with `done=0`."""
    done = request.form.get("done", "1") == "1"

    def act(subject: Subject, actor: Actor) -> None:
        proofs.complete_task(subject, actor, task_id, done=done)

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/checklists/<checklist>")
def create_ticks(card_id: uuid.UUID, checklist: str) -> ResponseReturnValue:
    """Set which of the items sent are ticked."""

    def act(subject: Subject, actor: Actor) -> None:
        proofs.tick_items(
            subject,
            actor,
            checklist,
            request.form.getlist("item")[:200],
            request.form.getlist("ticked")[:200],
        )

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/approvals")
def create_approval_request(card_id: uuid.UUID) -> ResponseReturnValue:
    """Ask a role to approve what a check names."""

    def act(subject: Subject, actor: Actor) -> None:
        proofs.ask_approval(subject, actor, request.form.get("check", ""), request.form.get("note", ""))

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/approvals/<uuid:request_id>/decisions")
def create_decision(card_id: uuid.UUID, request_id: uuid.UUID) -> ResponseReturnValue:
    """Approve or reject."""

    def act(subject: Subject, actor: Actor) -> None:
        proofs.decide_approval(
            subject, actor, request_id, request.form.get("decision", ""), request.form.get("note", "")
        )

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/meetings")
def create_meeting(card_id: uuid.UUID) -> ResponseReturnValue:
    """Plan a meeting of the playbook, or log one that was held, when notes are given."""
    form = MeetingForm()

    def act(subject: Subject, actor: Actor) -> None:
        _checked(form)
        starts_at = _instant(form.starts_at.data)
        if starts_at is None:
            raise Invalid("Say when it is.", {"starts_at": "Say when it is."})
        meeting = proofs.plan_meeting(
            subject,
            actor,
            form.key.data or "",
            starts_at=starts_at,
            our_attendees=form.our_attendees.data or "",
            client_attendees=form.client_attendees.data or "",
        )
        if form.notes.data:
            proofs.hold_meeting(subject, actor, meeting.id, **_minutes(form), held_at=starts_at)

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/meetings/<uuid:meeting_id>/minutes")
def create_minutes(card_id: uuid.UUID, meeting_id: uuid.UUID) -> ResponseReturnValue:
    """Record that a planned meeting was held."""
    form = MeetingForm()

    def act(subject: Subject, actor: Actor) -> None:
        _checked(form)
        held_at = _instant(form.starts_at.data) or now()
        proofs.hold_meeting(subject, actor, meeting_id, **_minutes(form), held_at=held_at)

    return change(card_id, act)


def _minutes(form: MeetingForm) -> dict[str, Any]:
    return {
        "notes": form.notes.data or "",
        "decisions": form.decisions.data or "",
        "outcomes": form.outcomes.data or "",
        "our_attendees": form.our_attendees.data or "",
        "client_attendees": form.client_attendees.data or "",
        "send_to": uuid_of(form.send_to.data),
    }


@cards.post("/cards/<uuid:card_id>/attachments")
@takes_files
def create_attachment(card_id: uuid.UUID) -> ResponseReturnValue:
    """Attach a file, link or note, or log a talk."""
    form = AttachmentForm()
    refusal = None
    try:
        # Who may not attach, and is told so below, keeps nobody's scanner busy.
        if can(current_actor(), "cards.edit"):
            check_uploads()
    except Invalid as found:
        refusal = found

    def act(subject: Subject, actor: Actor) -> None:
        _checked(form)
        if refusal is not None:
            raise refusal
        upload = upload_of("file") if form.kind.data == "file" else None
        stored = upload.keep(actor) if upload else None
        proofs.attach_proof(
            subject,
            actor,
            key=form.key.data or None,
            kind=form.kind.data or "",
            title=form.title.data or (stored.name if stored else ""),
            file_id=stored.id if stored else None,
            url=form.url.data or None,
            note=form.note.data or None,
            happened_at=_instant(form.happened_at.data),
            medium=form.medium.data or None,
            outcome=form.outcome.data or None,
        )

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/attachments/<uuid:attachment_id>/withdrawal")
def create_withdrawal(card_id: uuid.UUID, attachment_id: uuid.UUID) -> ResponseReturnValue:
    """Take a proof back; it stays on record."""

    def act(subject: Subject, actor: Actor) -> None:
        proofs.withdraw_proof(subject, actor, attachment_id)

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/client-requests")
def create_client_request(card_id: uuid.UUID) -> ResponseReturnValue:
    """Ask the client for what a check names, now or again."""

    def act(subject: Subject, actor: Actor) -> None:
        ask_client(
            subject,
            actor,
            request.form.get("request", ""),
            contact_id=uuid_of(request.form.get("contact")),
            name=request.form.get("name", ""),
            email=request.form.get("email", ""),
        )

    return change(card_id, act, permission="client_requests.ask")


@cards.post("/cards/<uuid:card_id>/handoffs")
def create_handoff(card_id: uuid.UUID) -> ResponseReturnValue:
    """Hand the card's work over, now or again after it was returned."""
    to_pipeline, note = short_text(request.form.get("to")), request.form.get("note", "")
    return change_by(card_id, lambda actor: hand_over_again(card_id, to_pipeline, actor, note))


@cards.post("/cards/<uuid:card_id>/waivers")
def create_waiver(card_id: uuid.UUID) -> ResponseReturnValue:
    """Waive one check of a gate, with a reason."""

    def act(subject: Subject, actor: Actor) -> None:
        waive_check(
            subject,
            actor,
            request.form.get("gate_to", ""),
            request.form.get("check", ""),
            request.form.get("reason", ""),
        )

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/waiting")
def create_waiting(card_id: uuid.UUID) -> ResponseReturnValue:
    """Stop the clock while the client must answer, or let it run again with `waiting=0`."""

    def act(subject: Subject, actor: Actor) -> None:
        if request.form.get("waiting", "1") == "1":
            start_waiting(subject, actor, request.form.get("reason", ""))
        else:
            stop_waiting(subject, actor)

    return change(card_id, act)


@cards.post("/cards/<uuid:card_id>/archive")
def create_archiving(card_id: uuid.UUID) -> ResponseReturnValue:
    """Take the card off its board, or put it back with `archived=0`."""

    def act(subject: Subject, actor: Actor) -> None:
        if request.form.get("archived", "1") == "1":
            archive_card(subject, actor)
        else:
            restore_card(subject, actor)

    return change(card_id, act, permission="cards.archive", allow_closed=True)
