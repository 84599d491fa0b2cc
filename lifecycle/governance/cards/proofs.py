"""Doing what checks ask for: tasks, ticks, approvals, meetings, attachments.

Each takes a subject that `changing_card` holds, judges the request against the card's playbook, lets the
work room write, and records the event.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.core.words import language_for
from lifecycle.governance.cards.edit import find_worker_by_name, get_working_user, record_card_event
from lifecycle.governance.fields.values import ValueRefused, clean_text, read_value
from lifecycle.governance.gates.checks.approval import ApprovalParams, approval_key, approval_subject
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import CheckDef, FieldDef
from lifecycle.governance.language.reminders import moment_of
from lifecycle.governance.sla.clock import calendar_of
from lifecycle.records.accounts.models import Contact
from lifecycle.records.inbox.record import tell
from lifecycle.records.outbox.letters import send_letter
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import holds_role
from lifecycle.records.reminders.record import Plan, plan_reminders
from lifecycle.work.approvals import record as approvals
from lifecycle.work.approvals.models import ApprovalRequest
from lifecycle.work.attachments import record as attachments
from lifecycle.work.attachments.models import Attachment
from lifecycle.work.meetings import record as meetings
from lifecycle.work.meetings.models import Meeting
from lifecycle.work.tasks import record as tasks
from lifecycle.work.tasks.models import Task
from lifecycle.work.tasks.queries import ticks_by_card

LONGEST_NOTE = 20_000


def add_task(
    subject: Subject, actor: Actor, *, title: str, assignee_id: uuid.UUID, due_at: datetime | None
) -> Task:
    """Add a task that a person thought of.

    Raises:
        Invalid: no title, or nobody who may do it.
    """
    text = clean_text(title)[:300]
    if not text:
        raise Invalid("Say what is to be done.", {"title": "Say what is to be done."})
    assignee = get_working_user(assignee_id)
    task = tasks.add_task(subject.card.id, subject.visit.id, text, assignee_id=assignee.id, due_at=due_at)
    record_card_event(
        subject, "card.task.added", actor, "page", {"task": task.id, "what": text, "assignee": assignee.name}
    )
    return task


def complete_task(subject: Subject, actor: Actor, task_id: uuid.UUID, *, done: bool) -> None:
    """Mark a task of the card done, or open again."""
    task = tasks.get_task(subject.card.id, task_id)
    if tasks.set_done(task, actor, done=done):
        kind = "card.task.done" if done else "card.task.reopened"
        data = {"task": task.id, "key": task.key, "what": task.title}
        record_card_event(subject, kind, actor, "page", data)


def tick_items(
    subject: Subject, actor: Actor, checklist_key: str, items: Sequence[str], ticked: Sequence[str]
) -> None:
    """Set the named items of a checklist: those in `ticked` are done, the others are open.

    Raises:
        Invalid: the playbook has no such checklist or item.
    """
    checklist = subject.playbook.checklists.get(checklist_key)
    unknown = [] if checklist is None else [item for item in items if checklist.item(item) is None]
    if checklist is None or unknown:
        raise Invalid("This card's playbook has no such checklist item.")
    before = {item for name, item in _ticks(subject) if name == checklist_key}
    changed = {key: key in ticked for key in items if (key in ticked) != (key in before)}
    tasks.set_ticks(subject.card.id, checklist_key, changed, actor)
    for key, done in changed.items():
        item = checklist.item(key)
        assert item is not None
        kind = "card.checklist.ticked" if done else "card.checklist.unticked"
        data = {"checklist": checklist_key, "name": checklist.name, "item": key, "what": item.name}
        record_card_event(subject, kind, actor, "page", data)


def _ticks(subject: Subject) -> set[tuple[str, str]]:
    return ticks_by_card([subject.card.id]).get(subject.card.id, set())


def find_check(subject: Subject, key: str) -> CheckDef:
    """Return a check of the card's pipeline by its key.

    Raises:
        NotFound: the card's revision has no such check.
    """
    for stage in subject.pipeline.stages:
        for check in stage.leave + stage.enter:
            if check.key == key:
                return check
    raise NotFound("This card's playbook has no such check.")


def ask_approval(subject: Subject, actor: Actor, check_key: str, note: str) -> None:
    """Put what an approval check names to its role, as it stands now.

    Raises:
        NotFound: there is no such approval check.
    """
    check = find_check(subject, check_key)
    params = check.params
    if not isinstance(params, ApprovalParams):
        raise NotFound("This check is not an approval.")
    asked = approval_subject(subject, params.of)
    request = approvals.request_approval(
        subject.card.id,
        subject.visit.id,
        key=approval_key(check.stage, params.name or params.by),
        role=params.by,
        needed=params.needed,
        subject=asked,
        note=clean_text(note, keep_lines=True)[:2000] or None,
        actor=actor,
    )
    data = {"request": request.id, "role": params.by, "of": asked, "hash": request.subject_hash}
    record_card_event(subject, "card.approval.requested", actor, "page", data, reason=request.note)
    tell_approvers(subject, request)


def tell_approvers(subject: Subject, request: ApprovalRequest) -> None:
    """Tell everybody who may decide a request that it waits for them; never whoever asked."""
    people = db.session.scalars(
        select(User).where(User.is_active, User.role.not_in(("viewer", "admin")))
    ).all()
    able = [user.id for user in people if holds_role(Actor.of(user), request.role)]
    tell(
        [user_id for user_id in able if user_id != request.requested_by],
        title=f"{subject.account.name}: {subject.card.title} waits for your approval",
        body=request.note,
        link=f"/cards/{subject.card.id}",
        cause=f"approval/{request.id}",
        tone="act",
        card_id=subject.card.id,
    )


def decide_approval(subject: Subject, actor: Actor, request_id: uuid.UUID, decision: str, note: str) -> None:
    """Approve or reject an open request of the card."""
    text = clean_text(note, keep_lines=True)[:2000] or None
    request = approvals.decide(subject.card.id, request_id, actor, decision, text)
    kind = "card.approval.given" if decision == "approved" else "card.approval.rejected"
    data = {"request": request.id, "role": request.role, "of": request.subject, "hash": request.subject_hash}
    record_card_event(subject, kind, actor, "page", data, reason=text)


def plan_meeting(
    subject: Subject,
    actor: Actor,
    key: str,
    *,
    starts_at: datetime,
    our_attendees: str,
    client_attendees: str,
) -> Meeting:
    """Plan a meeting of a kind the playbook names, with its agenda.

    Raises:
        Invalid: the playbook has no such meeting.
    """
    kind = subject.playbook.meetings.get(key)
    if kind is None:
        raise Invalid("This card's playbook has no such meeting.")
    meeting = meetings.plan_meeting(
        subject.card.id,
        subject.visit.id,
        key=key,
        title=kind.name,
        starts_at=starts_at,
        agenda=[{"topic": topic, "minutes": minutes} for topic, minutes in kind.agenda],
        our_attendees=_names(our_attendees),
        client_attendees=_names(client_attendees),
        actor=actor,
    )
    calendar = calendar_of(subject.playbook, subject.stage)
    plan_reminders(
        subject.card.id,
        [
            Plan(
                "meeting",
                f"meeting:{meeting.id}",
                step.words,
                moment_of(step, starts_at, calendar),
                starts_at,
            )
            for step in subject.playbook.meeting_reminders.steps
        ],
    )
    data = {"meeting": meeting.id, "key": key, "name": kind.name, "starts_at": starts_at}
    record_card_event(subject, "card.meeting.planned", actor, "page", data)
    return meeting


def hold_meeting(
    subject: Subject,
    actor: Actor,
    meeting_id: uuid.UUID,
    *,
    held_at: datetime,
    notes: str,
    decisions: str,
    outcomes: str,
    our_attendees: str,
    client_attendees: str,
    send_to: uuid.UUID | None = None,
) -> None:
    """Record a meeting as held; each line of `outcomes` becomes a task (E28).

    An outcome is written `What - who - 2026-11-30`; who and when may be left out: then it is the card's
    owner, within a week.

    Args:
        send_to: a contact of the account who is mailed notes, decisions and next steps after the commit.

    Raises:
        NotFound, Invalid: with a sentence.
    """
    meeting = meetings.get_meeting(subject.card.id, meeting_id)
    meetings.hold_meeting(
        meeting,
        held_at=held_at,
        notes=clean_text(notes, keep_lines=True)[:LONGEST_NOTE],
        decisions=clean_text(decisions, keep_lines=True)[:LONGEST_NOTE] or None,
        our_attendees=_names(our_attendees) or meeting.our_attendees,
        client_attendees=_names(client_attendees) or meeting.client_attendees,
    )
    made = [_outcome_task(subject, meeting, line) for line in outcomes.splitlines() if line.strip()]
    data = {
        "meeting": meeting.id,
        "key": meeting.key,
        "name": meeting.title,
        "held_at": held_at,
        "notes": meeting.notes,
        "decisions": meeting.decisions,
        "attendees": {"ours": meeting.our_attendees, "client": meeting.client_attendees},
        "tasks": [{"task": task.id, "what": task.title, "due_at": task.due_at} for task in made],
        "sent_to": _send_outcome(subject, actor, meeting, made, send_to) if send_to else None,
    }
    record_card_event(subject, "card.meeting.held", actor, "page", data)


def _send_outcome(
    subject: Subject, actor: Actor, meeting: Meeting, made: Sequence[Task], contact_id: uuid.UUID
) -> str:
    contact = db.session.get(Contact, contact_id)
    if contact is None or contact.account_id != subject.card.account_id or not contact.email:
        sentence = "Choose a contact of this account who has an email address."
        raise Invalid(sentence, {"send_to": sentence})
    assert meeting.held_at is not None
    meeting.shared_at = now()
    send_letter(
        "meeting_outcome",
        {"meeting": meeting, "tasks": made, "sender": actor.name},
        to_address=contact.email,
        to_name=contact.name,
        language=language_for(contact.language),
        contact_id=contact.id,
        card_id=subject.card.id,
        thread=f"journey.{subject.card.journey_id}",
        cause=f"meeting/{meeting.id}/{contact.id}",
    )
    return contact.email


def _outcome_task(subject: Subject, meeting: Meeting, line: str) -> Task:
    what, who, due = _read_outcome(clean_text(line))
    owner = subject.card.owner_id
    if who:
        owner = find_worker_by_name(who) or owner
        if owner == subject.card.owner_id:
            what = f"{what} ({who})"
    return tasks.add_task(
        subject.card.id,
        subject.visit.id,
        what[:300],
        assignee_id=owner,
        due_at=due or now() + timedelta(days=7),
        meeting_id=meeting.id,
    )


def _read_outcome(line: str) -> tuple[str, str, datetime | None]:
    parts = [part.strip() for part in re.split(r"\s+[-\u2013\u2014]\s+", line)]
    due = None
    if len(parts) > 1 and re.fullmatch(r"\d{4}-\d{2}-\d{2}", parts[-1]):
        try:
            due = datetime.fromisoformat(parts.pop() + "T17:00:00+00:00")
        except ValueError:
            raise Invalid(
                f"“{line[:80]}” has no valid date.", {"outcomes": "Write dates like 2026-11-30."}
            ) from None
    who = parts.pop() if len(parts) > 1 else ""
    return " - ".join(parts), who, due


def _names(text: str) -> list[str]:
    return [name for name in (clean_text(part)[:120] for part in re.split(r"[,;\n]", text)) if name][:40]


def attach_proof(
    subject: Subject,
    actor: Actor,
    *,
    key: str | None,
    kind: str,
    title: str,
    file_id: uuid.UUID | None,
    url: str | None,
    note: str | None,
    happened_at: datetime | None,
    medium: str | None,
    outcome: str | None,
) -> Attachment:
    """Attach a proof; one for a check must be of a kind, and a talk of an outcome, that the playbook names.

    Raises:
        Invalid: with a sentence.
    """
    name = _judge_proof(subject, key, kind, outcome)
    if kind == "link":
        try:
            url = read_value(FieldDef(key="url", name="The address", type="url"), url)
        except ValueRefused as refusal:
            raise Invalid(str(refusal), {"url": str(refusal)}) from None
    item = attachments.attach(
        subject.card.id,
        subject.visit.id,
        actor,
        key=key,
        kind=kind,
        title=clean_text(title)[:200] or name,
        file_id=file_id,
        url=url if kind == "link" else None,
        note=clean_text(note or "", keep_lines=True)[:LONGEST_NOTE] or None,
        happened_at=happened_at if kind == "talk" else None,
        medium=medium if kind == "talk" else None,
        outcome=clean_text(outcome or "")[:60] or None if kind == "talk" else None,
    )
    kind_of_event = "card.talk.logged" if kind == "talk" else "card.evidence.added"
    data: dict[str, Any] = {**attachments.describe(item), "name": name}
    record_card_event(subject, kind_of_event, actor, "page", data)
    return item


def _judge_proof(subject: Subject, key: str | None, kind: str, outcome: str | None) -> str:
    if kind not in ("file", "link", "note", "talk"):
        raise Invalid("Attach a file, a link, a note or a talk.")
    if key is None:
        return {"file": "File", "link": "Link", "note": "Note", "talk": "Talk"}[kind]
    evidence = subject.playbook.evidence.get(key)
    if evidence is None:
        raise Invalid("This card's playbook has no such evidence.")
    if kind not in evidence.accepts:
        raise Invalid(f"{evidence.name} takes {' or '.join(evidence.accepts)}.")
    if kind == "talk" and evidence.outcomes and evidence.outcome(outcome or "") is None:
        raise Invalid("Say how it ended.", {"outcome": "Choose an outcome."})
    return evidence.name


def withdraw_proof(subject: Subject, actor: Actor, attachment_id: uuid.UUID) -> None:
    """Take a proof back; it stays on record and counts no more."""
    item = attachments.withdraw(subject.card.id, attachment_id, actor)
    data = {**attachments.describe(item), "name": item.title}
    record_card_event(subject, "card.evidence.withdrawn", actor, "page", data)
