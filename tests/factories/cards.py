"""Accounts and cards, valid by default, and the doing of what a gate asks for, through public functions."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.cards import proofs
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import read_fields, set_fields
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.gates.evaluate import GateQuestion, evaluate
from lifecycle.governance.gates.report import CheckResult, GateReport
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.gates.way import find_way
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Moved, Stale
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import SYSTEM, Actor
from tests.factories.people import Person
from tests.factories.playbooks import LAB

_numbers = itertools.count(1)


@dataclass(frozen=True)
class KnownCard:
    """A card as a test knows it; `visit` is the one it was made with."""

    id: uuid.UUID
    visit: int
    account: uuid.UUID
    title: str

    @property
    def url(self) -> str:
        return f"/cards/{self.id}"


def make_account(
    app: Flask, *, owner: Person | None = None, name: str | None = None, **fields: Any
) -> uuid.UUID:
    """Commit an account."""
    with app.app_context(), transaction():
        account = Account(
            name=name or f"Northern Fibre {next(_numbers)}", owner_id=owner.id if owner else None, **fields
        )
        db.session.add(account)
        db.session.flush()
        return account.id


def a_card(
    app: Flask,
    by: Person,
    *,
    slug: str = LAB,
    account: uuid.UUID | None = None,
    title: str | None = None,
    value: str | None = None,
    **more: Any,
) -> KnownCard:
    """Commit a card at the beginning of a pipeline, or in `stage`, with stored values in `fields`."""
    account = account or make_account(app, owner=by)
    name = title or f"Rollout {next(_numbers)}"
    with app.app_context(), transaction():
        card = create_card(
            slug,
            actor=by.actor,
            channel="page",
            account_id=account,
            title=name,
            value_amount=Decimal(value) if value else None,
            value_currency="EUR" if value else None,
            **more,
        )
        return KnownCard(card.id, card.visit_id, account, card.title)


def card_row(app: Flask, card: KnownCard) -> dict[str, Any]:
    """The card's row as it is in the database now."""
    with app.app_context():
        return dict(db.session.execute(sa.select(Card.__table__).where(Card.id == card.id)).mappings().one())


def rows(app: Flask, model: type, **where: Any) -> list[dict[str, Any]]:
    """Every row of a model's table with these values, in the order of its id."""
    table = model.__table__  # type: ignore[attr-defined]
    query = (
        sa.select(table).where(*(table.c[key] == value for key, value in where.items())).order_by(table.c.id)
    )
    with app.app_context():
        return [dict(row) for row in db.session.execute(query).mappings()]


def stage_of(app: Flask, card: KnownCard) -> str:
    """The key of the stage a card stands in."""
    with app.app_context():
        return get_subject(card.id).stage.key


def visit_of(app: Flask, card: KnownCard) -> int:
    """The id of a card's open visit."""
    return int(card_row(app, card)["visit_id"])


def move(
    app: Flask,
    card: KnownCard,
    to: str,
    by: Person | Actor,
    *,
    seen: int | None = None,
    channel: str = "board",
    **more: Any,
) -> Moved | Blocked | Stale:
    """Move a card as a door would, in a transaction of its own, from the visit it has now unless told."""
    seen_visit = visit_of(app, card) if seen is None else seen
    actor = by.actor if isinstance(by, Person) else by
    with app.app_context(), transaction():
        return move_card(card.id, to, actor=actor, channel=channel, seen_visit=seen_visit, **more)


def moved(app: Flask, card: KnownCard, to: str, by: Person | Actor, **more: Any) -> Moved:
    """Move a card that may move."""
    outcome = move(app, card, to, by, **more)
    assert isinstance(outcome, Moved), outcome.sentences if isinstance(outcome, Blocked) else outcome
    return outcome


def change(app: Flask, card: KnownCard, by: Person, act: Callable[[Subject, Actor], Any], **more: Any) -> Any:
    """Do something to a card as its doors do."""
    with app.app_context(), transaction(), changing_card(card.id, by.actor, **more) as subject:
        return act(subject, by.actor)


def fill(app: Flask, card: KnownCard, by: Person, **typed: Any) -> None:
    """Type values into a card's fields."""
    change(app, card, by, lambda subject, actor: set_fields(subject, read_fields(subject, typed), actor))


def gate(app: Flask, card: KnownCard, to: str, by: Actor = SYSTEM) -> GateReport:
    """The gate between where a card stands and a stage."""
    with app.app_context():
        subject = get_subject(card.id)
        way = find_way(subject.pipeline, subject.stage.key, to, by, override=True)
        return evaluate([GateQuestion(subject, way.to_stage, way.checks)])[0]


def attach(app: Flask, card: KnownCard, by: Person, key: str | None, **more: Any) -> uuid.UUID:
    """Attach a note, or what `kind` says, for an evidence of the playbook; return its id."""
    given = {
        "kind": "note",
        "title": "",
        "file_id": None,
        "url": None,
        "note": "Seen with my own eyes.",
        "happened_at": None,
        "medium": None,
        "outcome": None,
        **more,
    }
    item = change(app, card, by, lambda subject, actor: proofs.attach_proof(subject, actor, key=key, **given))
    found: uuid.UUID = item.id
    return found


def talk(app: Flask, card: KnownCard, by: Person, key: str, outcome: str) -> uuid.UUID:
    """Log a talk that ended in some way."""
    an_hour_ago = now() - timedelta(hours=1)
    return attach(app, card, by, key, kind="talk", happened_at=an_hour_ago, medium="phone", outcome=outcome)


def tick(app: Flask, card: KnownCard, by: Person, checklist: str, *items: str) -> None:
    """Tick items of a checklist."""
    change(app, card, by, lambda subject, actor: proofs.tick_items(subject, actor, checklist, items, items))


def complete(app: Flask, card: KnownCard, by: Person, task: uuid.UUID, *, done: bool = True) -> None:
    """Mark a task done, or open again."""
    change(app, card, by, lambda subject, actor: proofs.complete_task(subject, actor, task, done=done))


def plan(app: Flask, card: KnownCard, by: Person, key: str) -> uuid.UUID:
    """Plan a meeting; return its id."""

    def act(subject: Subject, actor: Actor) -> Any:
        return proofs.plan_meeting(
            subject, actor, key, starts_at=now(), our_attendees="Ada", client_attendees="Bob"
        )

    meeting: uuid.UUID = change(app, card, by, act).id
    return meeting


def hold(app: Flask, card: KnownCard, by: Person, meeting: uuid.UUID, **more: Any) -> None:
    """Write the minutes of a planned meeting."""
    given = {"notes": "All went well.", "decisions": "", "outcomes": "", **more}

    def act(subject: Subject, actor: Actor) -> None:
        proofs.hold_meeting(
            subject, actor, meeting, held_at=now(), our_attendees="", client_attendees="", **given
        )

    change(app, card, by, act)


def ask(app: Flask, card: KnownCard, by: Person, check: str, note: str = "") -> uuid.UUID:
    """Ask for the approval that a check names; return the request's id."""
    change(app, card, by, lambda subject, actor: proofs.ask_approval(subject, actor, check, note))
    name = check.replace(".leave.approval.", ".").replace(".enter.approval.", ".")
    with app.app_context():
        found: uuid.UUID = db.session.execute(
            sa.text(
                "select id from approval_requests where card_id = :card and key = :key and closed_at is null"
            ),
            {"card": card.id, "key": name},
        ).scalar_one()
        return found


def decide(
    app: Flask, card: KnownCard, by: Person, request: uuid.UUID, decision: str = "approved", note: str = ""
) -> None:
    """Answer an approval request."""
    change(
        app, card, by, lambda subject, actor: proofs.decide_approval(subject, actor, request, decision, note)
    )


FILLINGS: Mapping[str, Any] = {
    "text": "Something",
    "long_text": "Something longer",
    "integer": "12",
    "number": "1.5",
    "money": "100.00",
    "percent": "10",
    "date": "2027-01-15",
    "yes_no": "yes",
    "email": "ana@example.com",
    "phone": "+44 20 7946 0018",
    "url": "https://example.com/",
}


def fulfil(app: Flask, card: KnownCard, by: Person, to: str, *, approver: Person | None = None) -> None:
    """Meet the gate to `to` by doing what each unmet check's remedy names, as people would."""
    for result in gate(app, card, to).results:
        if result.state == "blocked" or (result.state == "warning" and result.remedy):
            _mend(app, card, by, result, approver)
    assert gate(app, card, to).is_open, [r.sentence for r in gate(app, card, to).blocked]


def _mend(app: Flask, card: KnownCard, by: Person, result: CheckResult, approver: Person | None) -> None:
    remedy = result.remedy
    assert remedy is not None, f"{result.key} cannot be mended: {result.sentence}"
    if remedy.kind == "field":
        with app.app_context():
            definition = get_subject(card.id).playbook.fields[remedy.data["field"]]
        options = [option.key for option in definition.options]
        value = options[:1] if definition.type == "choices" else options[0] if options else None
        if value is None:
            value = "Spain" if definition.key == "country" else FILLINGS[definition.type]
        fill(app, card, by, **{definition.key: value})
    elif remedy.kind == "checklist":
        tick(app, card, by, remedy.data["checklist"], *remedy.data["items"])
    elif remedy.kind == "evidence":
        _attach_what_it_takes(app, card, by, remedy.data["evidence"])
    elif remedy.kind == "task":
        for task in remedy.data["tasks"]:
            complete(app, card, by, uuid.UUID(task))
    elif remedy.kind == "meeting":
        hold(app, card, by, plan(app, card, by, remedy.data["meeting"]))
    elif remedy.kind == "approval":
        assert approver is not None, "somebody must approve"
        decide(app, card, approver, ask(app, card, by, result.key))
    else:
        raise AssertionError(f"{result.key} is mended by hand: {result.sentence}")


def _attach_what_it_takes(app: Flask, card: KnownCard, by: Person, key: str) -> None:
    with app.app_context():
        evidence = get_subject(card.id).playbook.evidence[key]
    if evidence.accepts == ("talk",):
        talk(app, card, by, key, evidence.outcomes[0].key if evidence.outcomes else "")
    elif "note" in evidence.accepts:
        attach(app, card, by, key)
    else:
        attach(app, card, by, key, kind="link", url="https://example.com/proof")
