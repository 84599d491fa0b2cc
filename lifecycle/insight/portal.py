"""A contact's home: where their projects stand, what we need from them, and what was done (P3, W20)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.governance.cards.subjects import stage_of
from lifecycle.governance.language.model import PlaybookDef
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.requests.portal import may_answer, may_see, of_home
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Stage
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.meetings.models import Meeting

MOST: Final = 20


@dataclass(frozen=True)
class Step:
    """A phase of a project. `state` is done, current or ahead; `needs_client`: it waits for them."""

    number: int
    name: str
    purpose: str
    state: str
    needs_client: bool


@dataclass(frozen=True)
class Journey:
    """A project of the company, with the person of ours who answers for it now."""

    name: str
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
class Home:
    """All of it, for one contact."""

    contact: Contact
    account: Account
    journeys: list[Journey]
    needed: list[Asked]
    with_us: list[Asked]
    done: list[Asked]
    meetings: list[Meeting]
    messages: list[OutboxMessage]


def read_home(contact: Contact) -> Home:
    """Return the home of a contact. Six queries; for `one_moment`."""
    account = db.session.get_one(Account, contact.account_id)
    at = now()
    asked = [
        Asked(each, may_answer(contact, each), each.due_at < at)
        for each in _requests(account.id)
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
        messages=_messages(contact.id),
    )


def _requests(account_id: uuid.UUID) -> list[ClientRequest]:
    return list(
        db.session.scalars(
            sa.select(ClientRequest)
            .join(Card, Card.id == ClientRequest.card_id)
            .where(*of_home(account_id))
            .order_by(ClientRequest.due_at, ClientRequest.id)
            .limit(500)
        )
    )


def _journeys(account_id: uuid.UUID) -> list[Journey]:
    rows = db.session.execute(
        sa.select(
            Card.journey_id,
            Card.title,
            Card.revision_id,
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
    grouped: dict[uuid.UUID, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row.journey_id, []).append(row)
    return [journey for cards in grouped.values() if (journey := _journey(cards)) is not None]


def _journey(cards: list[Any]) -> Journey | None:
    playbook = of_revision(cards[-1].revision_id)
    if not playbook.phases or all(card.kind == "lost" for card in cards):
        return None
    working = [card for card in cards if card.kind == "open"] or cards
    here = max(_number(playbook, card) for card in working)
    is_over = all(card.kind != "open" for card in cards)
    steps = [
        Step(
            phase.number, phase.name, phase.purpose, _state(phase.number, here, is_over), phase.is_client_gate
        )
        for phase in playbook.phases.values()
    ]
    latest = working[-1]
    return Journey(cards[0].title, steps, latest.owner, latest.owner_email)


def _number(playbook: PlaybookDef, card: Any) -> int:
    own = of_revision(card.revision_id)
    if own.key != playbook.key:
        return 0
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
