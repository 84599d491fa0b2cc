"""Walking a card of any playbook along its path: what a gate asks for is done, by whoever would do it.

Nothing here knows a playbook: a check says what it needs, and each kind of check has one way of being met,
through the functions the pages use. So a new playbook has a demo, and its gates a test, without new code.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.exchange.demo.papers import make_paper
from lifecycle.exchange.demo.samples import note_for, sample
from lifecycle.governance.automation.perform import perform_here
from lifecycle.governance.cards import edit, proofs
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.subjects import forward_target, get_subject
from lifecycle.governance.gates.checks.client import is_changed
from lifecycle.governance.gates.evaluate import GateQuestion, evaluate
from lifecycle.governance.gates.report import CheckResult
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.gates.way import find_way
from lifecycle.governance.handoffs.answer import accept_handoff
from lifecycle.governance.handoffs.offer import members_of
from lifecycle.governance.language.model import CheckDef, FieldDef, Question
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Moved
from lifecycle.governance.requests import answer, decide, fill
from lifecycle.governance.requests.answer import Answering, Signing
from lifecycle.governance.requests.ask import get_definition
from lifecycle.governance.requests.decide import working_link
from lifecycle.governance.requests.signing import content_hash
from lifecycle.records.accounts.models import Contact
from lifecycle.records.files.store import keep_file
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import holds_role
from lifecycle.work.approvals.queries import approvals_by_card
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.client_requests.queries import requests_by_card
from lifecycle.work.handoffs.queries import handoffs_by_card
from lifecycle.work.tasks.queries import tasks_by_card

_MOST_ROUNDS = 4


class Stuck(RuntimeError):
    """A gate could not be met; it says which check, where and why."""


@dataclass(frozen=True)
class Walker:
    """Does what gates ask for, as the people of the installation. `values` are typed instead of samples."""

    chance: random.Random
    values: Mapping[str, Any]
    _actors: dict[uuid.UUID, Actor] = field(default_factory=dict)

    def advance(
        self, card_id: uuid.UUID, to_stage: str | None = None, *, leave_undone: Sequence[str] = ()
    ) -> Moved | None:
        """Meet the gate forward, or to `to_stage`, and move, in the open transaction.

        Returns:
            the move; None where the card moved by itself once its gate was met.

        Raises:
            Stuck: the gate cannot be met.
        """
        subject = get_subject(card_id)
        here = subject.card.visit_id
        target = to_stage or self.following(subject)
        self.meet(card_id, target, leave_undone=leave_undone)
        perform_here(card_id)
        subject = get_subject(card_id)
        if subject.card.visit_id != here:
            return None
        actor = self.owner(subject)
        way = find_way(subject.pipeline, subject.stage.key, target, actor, override=False)
        if way.refusal:
            actor = self.holder(None) or SYSTEM
        outcome = move_card(
            card_id,
            target,
            actor=actor,
            channel="board",
            seen_visit=here,
            answers={question.key: self.answer(subject, question) for question in way.asks},
            reason="As agreed.",
        )
        if not isinstance(outcome, Moved):
            why = " ".join(outcome.sentences) if isinstance(outcome, Blocked) else outcome.sentence
            raise Stuck(f"{subject.pipeline.slug}: {subject.stage.name} to {target}: {why}")
        perform_here(card_id)
        return outcome

    def perform(self, card_id: uuid.UUID) -> None:
        """Perform what the card has set off, in the open transaction."""
        perform_here(card_id)

    def following(self, subject: Subject) -> str:
        """Return the stage that forward leads to."""
        target = forward_target(subject.pipeline, subject.stage)
        if target is None:
            raise Stuck(f"{subject.pipeline.slug}: nothing follows {subject.stage.name}")
        return target.key

    def meet(self, card_id: uuid.UUID, to_stage: str, *, leave_undone: Sequence[str] = ()) -> None:
        """Do what the gate to a stage asks for, warnings too.

        Check types in `leave_undone` are left as they are.
        """
        for _ in range(_MOST_ROUNDS):
            subject = get_subject(card_id)
            if subject.stage.key == to_stage:
                return
            way = find_way(subject.pipeline, subject.stage.key, to_stage, self.owner(subject), override=True)
            report = evaluate([GateQuestion(subject, way.to_stage, way.checks)])[0]
            checks = {check.key: check for check in way.checks}
            unmet = [
                result
                for result in report.results
                if result.state in ("blocked", "warning") and result.type not in leave_undone
            ]
            if not unmet:
                return
            before = subject.card.visit_id
            self._meet_together(
                card_id, [(checks[each.key], each) for each in unmet if each.type != "handoff"]
            )
            for result in unmet:
                if result.type == "handoff":
                    self._accept(card_id, checks[result.key])
            if get_subject(card_id).card.visit_id != before:
                return

    def answer(self, subject: Subject, question: Question) -> Any:
        """Return an answer to a question of a move."""
        if question.key in self.values:
            return self.values[question.key]
        return sample(subject.playbook.key, question, subject.now, self.chance)

    # --- people ---

    def owner(self, subject: Subject) -> Actor:
        """Return the card's owner as somebody who acts."""
        owner_id = subject.card.owner_id
        if owner_id not in self._actors:
            self._actors[owner_id] = Actor.of(db.session.get_one(User, owner_id))
        return self._actors[owner_id]

    def holder(self, role: str | None, *, but: uuid.UUID | None = None) -> Actor | None:
        """Return somebody who holds a role (None: a manager), other than `but`; administrators last."""
        people = db.session.scalars(
            sa.select(User)
            .where(User.is_active, User.role != "viewer")
            .order_by(User.role == "admin", User.email)
        ).all()
        actors = [Actor.of(user) for user in people if user.id != but]
        return next((actor for actor in actors if holds_role(actor, role or "manager")), None)

    # --- each kind of check ---

    def _meet_together(self, card_id: uuid.UUID, unmet: Sequence[tuple[CheckDef, CheckResult]]) -> None:
        acts = [(_ACTS[check.type], check, result) for check, result in unmet if check.type in _ACTS]
        if not acts:
            return
        with changing_card(card_id, self.owner(get_subject(card_id))) as held:
            for act, check, result in acts:
                act(self, replace(held, now=now()), check, result)

    def _accept(self, card_id: uuid.UUID, check: CheckDef) -> None:
        perform_here(card_id)
        for handoff in handoffs_by_card([card_id]).get(card_id, []):
            mine = (
                handoff.to_card_id == card_id
                if check.params.to == "received"
                else handoff.to_pipeline == check.params.to
            )
            if mine and handoff.state == "offered":
                receivers = members_of([handoff.to_department])
                actor = Actor.of(db.session.get_one(User, receivers[0])) if receivers else self.holder(None)
                assert actor is not None
                accept_handoff(handoff.id, actor)

    def fill(self, subject: Subject, fields: Sequence[FieldDef], bounds: Any = None) -> None:
        """Type values into fields."""
        typed = {
            item.key: self.values.get(item.key)
            or sample(subject.playbook.key, item, subject.now, self.chance, bounds)
            for item in fields
        }
        edit.set_fields(subject, edit.read_fields(subject, typed), self.owner(subject))


def _field(walker: Walker, subject: Subject, check: CheckDef, _result: CheckResult) -> None:
    walker.fill(subject, [subject.playbook.fields[check.params.name]], check.params)


def _expression(walker: Walker, subject: Subject, check: CheckDef, _result: CheckResult) -> None:
    walker.fill(subject, [subject.playbook.fields[key] for key in check.params.fix])


def _checklist(walker: Walker, subject: Subject, check: CheckDef, _result: CheckResult) -> None:
    checklist = subject.playbook.checklists[check.params.name]
    items = list(check.params.items) or [item.key for item in checklist.items]
    proofs.tick_items(subject, walker.owner(subject), checklist.key, items, items)


def _task(walker: Walker, subject: Subject, _check: CheckDef, result: CheckResult) -> None:
    wanted = set(result.remedy.data.get("tasks", ())) if result.remedy else set()
    for task in tasks_by_card([subject.id]).get(subject.id, []):
        if str(task.id) in wanted and task.done_at is None:
            assignee = db.session.get(User, task.assignee_id) if task.assignee_id else None
            proofs.complete_task(
                subject, Actor.of(assignee) if assignee else walker.owner(subject), task.id, done=True
            )


def _evidence(walker: Walker, subject: Subject, check: CheckDef, _result: CheckResult) -> None:
    definition = subject.playbook.evidence[check.params.name]
    actor = walker.owner(subject)
    note = note_for(subject.playbook.key, definition.key, definition.name, walker.chance)
    outcomes = check.params.outcome or [option.key for option in definition.outcomes] or [None]
    kind = next(kind for kind in ("talk", "file", "note", "link") if kind in definition.accepts)
    stored = None
    if kind == "file":
        lines = [subject.account.name, subject.card.title, "", note]
        stored = keep_file(f"{definition.name}.pdf", make_paper(definition.name, lines), actor)
    for _ in range(check.params.at_least):
        proofs.attach_proof(
            subject,
            actor,
            key=definition.key,
            kind=kind,
            title=definition.name,
            file_id=stored.id if stored else None,
            url="https://client.example/proof" if kind == "link" else None,
            note=note if kind != "file" else None,
            happened_at=now() - timedelta(minutes=20) if kind == "talk" else None,
            medium="phone" if kind == "talk" else None,
            outcome=outcomes[0] if kind == "talk" else None,
        )


def _meeting(walker: Walker, subject: Subject, check: CheckDef, result: CheckResult) -> None:
    kind, actor = subject.playbook.meetings[check.params.name], walker.owner(subject)
    planned = result.remedy.data.get("planned") if result.remedy else None
    contact = _contact(subject)
    client = contact.name if contact else ""
    meeting_id = uuid.UUID(planned) if planned else None
    if meeting_id is None:
        held_at = now() - timedelta(hours=1)
        meeting_id = proofs.plan_meeting(
            subject,
            actor,
            kind.key,
            starts_at=held_at,
            our_attendees=actor.name,
            client_attendees=client,
        ).id
    proofs.hold_meeting(
        subject,
        actor,
        meeting_id,
        held_at=now() - timedelta(minutes=5),
        notes=note_for(subject.playbook.key, kind.key, kind.name, walker.chance),
        decisions="We go on as planned.",
        outcomes="",
        our_attendees=actor.name,
        client_attendees=client,
        send_to=contact.id if contact and contact.email else None,
    )


def _approval(walker: Walker, subject: Subject, check: CheckDef, result: CheckResult) -> None:
    owner = walker.owner(subject)
    data = result.remedy.data if result.remedy else {}
    if not data.get("is_current"):
        proofs.ask_approval(subject, owner, check.key, "")
    approval = approvals_by_card([subject.id])[subject.id][data["key"]]
    asker = approval.request.requested_by
    decided = {decision.decided_by for decision in approval.decisions}
    people = db.session.scalars(
        sa.select(User).where(User.is_active).order_by(User.role == "admin", User.email)
    ).all()
    able = [
        Actor.of(user)
        for user in people
        if user.id not in decided | {asker} and holds_role(Actor.of(user), check.params.by)
    ]
    for actor in able[: max(0, check.params.needed - len(approval.approvals))]:
        proofs.decide_approval(subject, actor, approval.request.id, "approved", "")


def _client(walker: Walker, subject: Subject, check: CheckDef, _result: CheckResult) -> None:
    key = check.params.name
    request = requests_by_card([subject.id]).get(subject.id, {}).get(key)
    is_void = request is not None and is_changed(subject, request)
    if request is None or is_void or request.status in ("not_asked", "declined", "expired"):
        request = decide.ask_client(subject, walker.owner(subject), key)
    answer_as_client(walker, subject, request)
    if request.status == "submitted" and check.params.status == "accepted":
        decide.accept_submission(subject, walker.owner(subject), request.id)


def answer_as_client(walker: Walker, subject: Subject, request: ClientRequest) -> None:
    """Do what the client would: open it, fill it in, attach, and say yes."""
    if request.status not in ("asked", "opened", "in_progress", "returned"):
        return
    held = hold_as_client(subject, request)
    contact, definition, actor = held.contact, held.definition, held.actor
    answer.open_request(held)
    given = {question.key: walker.answer(subject, question) for question in definition.asks}
    if definition.pages:
        fill.save_answers(held, given, request.edition)
        _upload(held)
    files = []
    if definition.attach:
        name = subject.playbook.evidence[definition.attach].name
        files = [keep_file(f"{name}.pdf", make_paper(name, [subject.account.name, contact.name]), actor)]
    answer.answer_request(
        held,
        given,
        files=files,
        signer=contact.name,
        position=contact.title or "",
        agrees=True,
        came_from={"address": "203.0.113.7", "user_agent": "A browser on a phone"},
        seen_hash=request.shown_hash,
        signing=_signing(held) if definition.sign else None,
    )
    subject.card.client_status = request.status


def hold_as_client(subject: Subject, request: ClientRequest) -> Answering:
    """Return a request as the contact who was asked holds it, by their link."""
    contact = db.session.get_one(Contact, request.contact_id)
    actor = Actor(user_id=None, name=contact.name, role="client", kind="client")
    link = working_link(request, contact)
    return Answering(subject, request, get_definition(subject, request), contact, actor, link)


def _signing(held: Answering) -> Signing:
    return Signing("", answer.mail_code(held), content_hash(held.subject, held.definition, held.request))


def _upload(held: Answering) -> None:
    """Send one file along with a form that has a place for it."""
    question = next((each for each in held.definition.asks if each.type == "file"), None)
    if question is not None:
        lines = [held.subject.account.name, held.contact.name]
        file = keep_file(f"{question.name}.pdf", make_paper(question.name, lines), held.actor)
        fill.add_files(held, question.key, [file])


def _contact(subject: Subject) -> Contact | None:
    return db.session.get(Contact, subject.card.contact_id) if subject.card.contact_id else None


Act = Callable[[Walker, Subject, CheckDef, CheckResult], None]
_ACTS: dict[str, Act] = {
    "field": _field,
    "expression": _expression,
    "checklist": _checklist,
    "task": _task,
    "evidence": _evidence,
    "meeting": _meeting,
    "approval": _approval,
    "client": _client,
    "questionnaire": _client,
}
