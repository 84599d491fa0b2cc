"""A contact's home: where their projects stand, what we need from them, and what was done (P3, W20)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.words import Words, speak_for
from lifecycle.governance.cards.subjects import stage_of
from lifecycle.governance.language.model import PhaseDef
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.requests.contacts import may_see
from lifecycle.governance.requests.portal import may_answer, requests_of_home
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.meetings.models import Meeting
from lifecycle.work.tasks.models import Task

MOST: Final = 20
MOST_DOCUMENTS: Final = 100


@dataclass(frozen=True)
class Step:
    """A phase as clients read it. `state` is done, current or ahead.

    `needs_client`: the current one waits for them now, or one that is ahead will.
    """

    number: int
    name: str
    purpose: str
    state: str
    needs_client: bool


@dataclass(frozen=True)
class Journey:
    """A project of the company, with the person of ours who answers for it now. `vendor` is who runs it."""

    name: str
    vendor: str
    steps: list[Step]
    owner: str
    owner_email: str

    @property
    def current(self) -> Step | None:
        """The phase in which it is; None once all are done."""
        return next((step for step in self.steps if step.state == "current"), None)

    @property
    def following(self) -> Step | None:
        """The phase that comes next."""
        return next((step for step in self.steps if step.state == "ahead"), None)


@dataclass(frozen=True)
class Asked:
    """A request as its contact sees it in the list; `is_mine` if they may answer it."""

    request: ClientRequest
    is_mine: bool
    is_late: bool


@dataclass(frozen=True)
class Document:
    """A file of a request that the contact may see; `is_theirs` if the client sent it."""

    file_id: str
    name: str
    request: ClientRequest
    is_theirs: bool


@dataclass(frozen=True)
class Held:
    """A meeting whose notes the client was sent, with the next steps that were agreed on."""

    meeting: Meeting
    steps: list[Task]


@dataclass(frozen=True)
class Home:
    """All of it, for one contact."""

    contact: Contact
    account: Account
    journeys: list[Journey]
    needed: list[Asked]
    with_us: list[Asked]
    done: list[Asked]
    meetings: list[Meeting]
    held: list[Held]
    documents: list[Document]
    messages: list[OutboxMessage]

    @property
    def vendor(self) -> str | None:
        """Whose page it is: who runs the projects, if that is one."""
        return _vendor(self.journeys)


def read_home(contact: Contact) -> Home:
    """Return the home of a contact. Eight queries; for `one_moment`."""
    account = db.session.get_one(Account, contact.account_id)
    at = now()
    asked = [
        Asked(each, may_answer(contact, each), each.due_at < at)
        for each in requests_of_home(account.id)
        if may_see(contact, each)
    ]
    return Home(
        contact=contact,
        account=account,
        journeys=_journeys(account.id),
        needed=[each for each in asked if each.is_mine],
        with_us=[each for each in asked if each.request.status == "submitted"],
        done=[each for each in asked if each.request.status == "accepted"][::-1][:MOST],
        meetings=_meetings(account.id, at),
        held=_held(account.id),
        documents=_documents([each.request for each in asked]),
        messages=_messages(contact.id),
    )


def find_vendor(account_id: uuid.UUID) -> str | None:
    """Return whose page the home of an account's contacts is; None if several run its projects."""
    return _vendor(_journeys(account_id))


def _vendor(journeys: list[Journey]) -> str | None:
    vendors = {journey.vendor for journey in journeys}
    return vendors.pop() if len(vendors) == 1 else None


def _journeys(account_id: uuid.UUID) -> list[Journey]:
    rows = db.session.execute(
        sa.select(
            Card.journey_id,
            Card.title,
            Card.revision_id,
            Card.waiting_on_client,
            Pipeline.key.label("pipeline_key"),
            Stage.key.label("stage_key"),
            Stage.kind,
            User.name.label("owner"),
            User.email.label("owner_email"),
        )
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(User, User.id == Card.owner_id)
        .where(Card.account_id == account_id, Card.withdrawn_at.is_(None), Card.archived_at.is_(None))
        .order_by(Card.created_at, Card.id)
        .limit(500)
    ).all()
    # A page about projects of several playbooks speaks the words of all of them.
    speak_for(_words_of({row.revision_id for row in rows}))
    grouped: dict[uuid.UUID, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row.journey_id, []).append(row)
    return [journey for cards in grouped.values() if (journey := _journey(cards)) is not None]


def _words_of(revisions: set[int]) -> Words:
    found: dict[str, dict[str, str]] = {}
    for revision in sorted(revisions):
        for language, words in of_revision(revision).words.items():
            found.setdefault(language, {}).update(words)
    return found


def _journey(cards: list[Any]) -> Journey | None:
    """Return a journey with the phases of the playbook that it is in; None if it was lost, or has no phases.

    A customer's card on another playbook's board does not end the journey it was opened from.
    """
    if all(card.kind == "lost" for card in cards):
        return None
    phased = [card for card in cards if of_revision(card.revision_id).phases]
    if not phased:
        return None
    leading = next((card for card in phased if card.kind == "open"), phased[-1])
    playbook = of_revision(leading.revision_id)
    own = [card for card in phased if of_revision(card.revision_id).key == playbook.key]
    working = [card for card in own if card.kind == "open"] or own
    here = max(_number(card) for card in working)
    is_over = all(card.kind != "open" for card in own)
    waits = any(card.waiting_on_client for card in working)
    steps = [_step(phase, _state(phase.number, here, is_over), waits) for phase in playbook.phases.values()]
    latest = working[-1]
    return Journey(cards[0].title, playbook.name, steps, latest.owner, latest.owner_email)


def _step(phase: PhaseDef, state: str, waits: bool) -> Step:
    needs_client = waits if state == "current" else state == "ahead" and phase.is_client_gate
    return Step(phase.number, phase.client_name, phase.client_purpose, state, needs_client)


def _number(card: Any) -> int:
    own = of_revision(card.revision_id)
    phase = own.phase_of(stage_of(own.pipeline(card.pipeline_key), card.stage_key))
    return phase.number if phase else 0


def _state(number: int, here: int, is_over: bool) -> str:
    if number < here or (is_over and number == here):
        return "done"
    return "current" if number == here else "ahead"


def _meetings(account_id: uuid.UUID, at: datetime) -> list[Meeting]:
    return list(
        db.session.scalars(
            sa.select(Meeting)
            .join(Card, Card.id == Meeting.card_id)
            .where(
                Card.account_id == account_id,
                Card.archived_at.is_(None),
                Meeting.held_at.is_(None),
                Meeting.cancelled_at.is_(None),
                Meeting.starts_at > at,
            )
            .order_by(Meeting.starts_at)
            .limit(MOST)
        )
    )


def _held(account_id: uuid.UUID) -> list[Held]:
    found = db.session.scalars(
        sa.select(Meeting)
        .join(Card, Card.id == Meeting.card_id)
        .where(Card.account_id == account_id, Card.archived_at.is_(None), Meeting.shared_at.is_not(None))
        .order_by(Meeting.held_at.desc())
        .limit(MOST)
    ).all()
    wanted = [meeting.id for meeting in found]
    tasks = db.session.scalars(
        sa.select(Task)
        .where(Task.meeting_id.in_(wanted), Task.cancelled_at.is_(None))
        .order_by(Task.due_at, Task.id)
    ).all()
    return [Held(each, [task for task in tasks if task.meeting_id == each.id]) for each in found]


def _documents(requests: list[ClientRequest]) -> list[Document]:
    """Return the files of requests, each once, those of the latest request first."""
    found: dict[str, Document] = {}
    for request in sorted(requests, key=lambda each: each.created_at, reverse=True):
        for item in request.documents:
            if item.get("file"):
                title = item["title"]
                name = title if title == item["name"] else f"{item['name']}: {title}"
                found.setdefault(item["file"], Document(item["file"], name, request, is_theirs=False))
        for item in request.files:
            found.setdefault(item["id"], Document(item["id"], item["name"], request, is_theirs=True))
    return list(found.values())[:MOST_DOCUMENTS]


def _messages(contact_id: uuid.UUID) -> list[OutboxMessage]:
    # Codes are good for minutes, and their letters for nothing afterwards.
    return list(
        db.session.scalars(
            sa.select(OutboxMessage)
            .where(
                OutboxMessage.contact_id == contact_id,
                OutboxMessage.state == "sent",
                OutboxMessage.kind.not_in(("client_code", "portal")),
            )
            .order_by(OutboxMessage.sent_at.desc())
            .limit(MOST)
        )
    )
