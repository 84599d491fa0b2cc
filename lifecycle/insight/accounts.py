"""What an account page shows beyond the account: its cards with their clocks, and its playbook facts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, case, func, select

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.governance.cards.subjects import stage_of
from lifecycle.governance.fields.values import show_value
from lifecycle.governance.language.model import FieldDef
from lifecycle.governance.playbooks.library import list_current_revisions, of_revision
from lifecycle.governance.sla.clock import SlaView, clock_start, view
from lifecycle.insight.boards.view import sla_label
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card, StageVisit
from lifecycle.records.outbox.channels import choose_route
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline, Stage

MOST_CARDS = 100


@dataclass(frozen=True)
class AccountCard:
    """A card in a list that is not its board's."""

    id: uuid.UUID
    title: str
    pipeline: str
    stage: str
    stage_kind: str
    owner_name: str
    value: Decimal | None
    currency: str | None
    clock: SlaView
    clock_label: str
    waiting_on_client: bool
    is_archived: bool


@dataclass(frozen=True)
class Facts:
    """The fields that published playbooks declare, by key.

    The same key in two playbooks is the first's; of choices, with the options of both. A playbook that says
    nothing of the account's own segment has it as a text, which gives way to one that lists what there is.
    """

    fields: dict[str, FieldDef]

    def segments(self) -> list[tuple[str, str]]:
        """Return (key, name) of the segments that the playbooks know."""
        declared = self.fields.get("segment")
        return [(option.key, option.name) for option in declared.options] if declared else []

    def segment_name(self, key: str | None) -> str:
        """Return a segment's name; one that no playbook knows is its own name."""
        return dict(self.segments()).get(key or "", key or "")

    def show(self, key: str, value: Any) -> str | None:
        """Return how a field's stored value reads; None when no playbook declares the field."""
        declared = self.fields.get(key)
        if declared is None or declared.type in ("text", "long_text"):
            return None
        try:
            return show_value(declared, value) or None
        except (ArithmeticError, TypeError, ValueError):
            # A value from an older revision, in which the field was of another type.
            return str(value)

    def of_account(self, account: Account) -> list[tuple[str, str]]:
        """Return (name, value) of what playbooks keep about an account besides its columns."""
        known = [
            (f.name, self._shown(f.key, account)) for f in self.fields.values() if f.key in account.fields
        ]
        unknown = [(key, str(value)) for key, value in account.fields.items() if key not in self.fields]
        return [(name, value) for name, value in known + unknown if value]

    def _shown(self, key: str, account: Account) -> str:
        value = account.fields.get(key)
        return "" if value in (None, "", []) else self.show(key, value) or str(value)


def read_facts() -> Facts:
    """Return what the published playbooks declare. One query."""
    fields: dict[str, FieldDef] = {}
    for revision in list_current_revisions():
        for key, declared in revision.playbook.fields.items():
            fields[key] = _joined(fields[key], declared) if key in fields else declared
    return Facts(fields)


def _joined(first: FieldDef, other: FieldDef) -> FieldDef:
    if first.type != other.type:
        return other if other.options and not first.options else first
    known = {option.key for option in first.options}
    more = tuple(option for option in other.options if option.key not in known)
    return replace(first, options=(*first.options, *more)) if more else first


def cards_of_account(account_id: uuid.UUID) -> tuple[list[AccountCard], int]:
    """Return an account's cards, the open ones first, and how many there are; at most 100 are listed."""
    return _cards(Card.account_id == account_id)


@dataclass(frozen=True)
class Reach:
    """How a contact is reached now: by SMS at `phone`, or by mail for a reason; and their time of day."""

    phone: str | None
    by_mail_because: str | None
    clock: str


def reach_of(contact: Contact) -> Reach:
    """Return how a message with a short text would reach a contact now."""
    route = choose_route(contact, "-")
    try:
        clock = f"{now().astimezone(ZoneInfo(contact.time_zone)):%H:%M}" if contact.time_zone else ""
    except (ZoneInfoNotFoundError, ValueError):
        clock = ""
    return Reach(route.phone, route.because, clock)


def cards_of_contact(contact_id: uuid.UUID) -> tuple[list[AccountCard], int]:
    """Return the cards that name a contact, as `cards_of_account`."""
    return _cards(Card.contact_id == contact_id)


def _cards(whose: ColumnElement[bool]) -> tuple[list[AccountCard], int]:
    at = now()
    rank = case((Card.archived_at.is_not(None), 2), (Stage.kind != "open", 1), else_=0)
    rows = db.session.execute(
        select(
            Card.id,
            Card.title,
            Card.revision_id,
            Pipeline.key.label("pipeline_key"),
            Pipeline.name.label("pipeline"),
            Stage.key.label("stage_key"),
            Stage.name.label("stage"),
            Stage.kind,
            User.name.label("owner"),
            Card.value_amount,
            Card.value_currency,
            StageVisit.entered_at,
            StageVisit.is_imported,
            Card.created_at,
            Card.sla_due_at,
            Card.is_paused,
            Card.waiting_on_client,
            Card.archived_at,
            func.count().over().label("listed_of"),
        )
        .join(StageVisit, StageVisit.id == Card.visit_id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .join(User, User.id == Card.owner_id)
        .where(whose, Card.withdrawn_at.is_(None))
        .order_by(rank, Pipeline.position, Stage.position, Card.board_order, Card.id)
        .limit(MOST_CARDS)
    ).all()
    cards = []
    for row in rows:
        clock = _clock(row, at)
        cards.append(
            AccountCard(
                id=row.id,
                title=row.title,
                pipeline=row.pipeline,
                stage=row.stage,
                stage_kind=row.kind,
                owner_name=row.owner,
                value=row.value_amount,
                currency=row.value_currency,
                clock=clock,
                clock_label=sla_label(clock),
                waiting_on_client=row.waiting_on_client,
                is_archived=row.archived_at is not None,
            )
        )
    return cards, rows[0].listed_of if rows else 0


def _clock(row: Any, at: datetime) -> SlaView:
    playbook = of_revision(row.revision_id)
    stage = stage_of(playbook.pipeline(row.pipeline_key), row.stage_key)
    start = clock_start(row.entered_at, row.created_at, is_imported=row.is_imported)
    return view(playbook, stage, start, row.sla_due_at, at, paused=row.is_paused)
