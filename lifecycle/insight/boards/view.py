"""What a board shows: plain values, with every decision already made."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from lifecycle.governance.cards.limits import Room
from lifecycle.governance.cards.subjects import stage_of
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.sla.clock import SlaView, clock_start, view

# What the face says of the request to the client; once it is accepted, the gate says so.
CLIENT_WORDS = {
    "not_asked": "Not asked",
    "asked": "Asked",
    "opened": "Opened",
    "in_progress": "Begun",
    "submitted": "To review",
    "returned": "Returned",
    "declined": "Declined",
    "expired": "Expired",
}


@dataclass(frozen=True)
class CardFace:
    """The face of a card; see templates/components/card_face.html."""

    id: uuid.UUID
    visit_id: int
    version: int
    stage_key: str
    account_name: str
    account_url: str
    title: str
    url: str
    value: Decimal | None
    currency: str | None
    owner_name: str
    owner_initials: str
    sla_state: str
    sla_fraction: float
    sla_label: str
    age_label: str
    gate_passed: int
    gate_total: int
    gate_blocked: int
    next_action: str | None
    next_action_due_label: str
    next_action_state: str
    waiting_on_client: bool
    client_status: str | None = None
    moved_by_initials: str | None = None
    order: int = 0
    account_id: uuid.UUID | None = None
    owner_id: uuid.UUID | None = None
    segment: str = ""

    def moved_by(self, name: str | None) -> CardFace:
        """Return the face with the mark of who moved it."""
        return replace(self, moved_by_initials=initials(name) if name else None)


@dataclass
class Column:
    """A column; see templates/components/column.html. `totals` is the value by currency."""

    key: str
    name: str
    phase: str
    kind: str
    is_client_gate: bool
    can_create: bool
    retired: bool
    collapsed: bool
    count: int = 0
    breached: int = 0
    totals: dict[str, Decimal] = field(default_factory=dict)
    cards: list[CardFace] = field(default_factory=list)
    more_url: str | None = None
    room: Room | None = None

    @property
    def limit_state(self) -> str:
        """How the cards stand to the limit: empty while there is room, else reached, full or over."""
        if self.room is None or self.room.left:
            return ""
        if self.room.cards > self.room.limit:
            return "over"
        return "full" if self.room.is_hard else "reached"

    @property
    def currency(self) -> str | None:
        """The one currency of the column's values; None when they are mixed, which are never added."""
        return next(iter(self.totals)) if len(self.totals) == 1 else None

    @property
    def total_value(self) -> Decimal | None:
        """The sum of the column's values; None without values, or when currencies are mixed."""
        return next(iter(self.totals.values())) if len(self.totals) == 1 else None


def card_face(row: Row[*tuple[Any, ...]], at: datetime, zone: ZoneInfo) -> CardFace:
    """Return the face of one row of `queries.CARD_COLUMNS`."""
    playbook = of_revision(row.revision_id)
    stage = stage_of(playbook.pipeline(row.pipeline_key), row.stage_key)
    start = clock_start(row.entered_at, row.created_at, is_imported=row.is_imported)
    clock = view(playbook, stage, start, row.sla_due_at, at, paused=row.is_paused)
    action_state, action_label = _next_action(row, stage.is_open, at, zone)
    return CardFace(
        id=row.id,
        visit_id=row.visit_id,
        version=row.version,
        stage_key=row.stage_key,
        account_name=row.account_name,
        account_url=f"/accounts/{row.account_id}",
        title=row.title,
        url=f"/cards/{row.id}",
        value=row.value_amount,
        currency=row.value_currency,
        owner_name=row.owner_name,
        owner_initials=initials(row.owner_name),
        sla_state=clock.state,
        # As fine as the ring can show, so that a face stays the same for a while.
        sla_fraction=round(clock.fraction, 2),
        sla_label=sla_label(clock),
        age_label=short_span(at - row.entered_at),
        gate_passed=row.gate_passed,
        gate_total=row.gate_total if stage.is_open else 0,
        gate_blocked=row.gate_total - row.gate_passed,
        next_action=row.next_action,
        next_action_due_label=action_label,
        next_action_state=action_state,
        waiting_on_client=row.waiting_on_client,
        client_status=CLIENT_WORDS.get(row.client_status or ""),
        order=row.board_order,
        account_id=row.account_id,
        owner_id=row.owner_id,
        segment=row.segment or "",
    )


def sla_label(clock: SlaView) -> str:
    """Return how the clock stands in words: `2 d left`, `3 h over`, `Paused`; empty without an SLA."""
    if clock.state == "none":
        return ""
    if clock.state == "paused":
        return "Paused"
    if clock.state == "breached":
        return f"{short_span(-clock.remaining)} over"
    return f"{short_span(clock.remaining)} left"


def short_span(length: timedelta) -> str:
    """Return a length of time in one unit, like `5 min`, `3 h`, `12 d`, `4 mo`, `2 y`."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h"
    days = seconds // 86400
    if days < 90:
        return f"{days} d"
    return f"{days // 30} mo" if days < 730 else f"{days // 365} y"


def initials(name: str) -> str:
    """Return up to two capital letters that stand for a name."""
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:1] + words[1:][-1:]).upper() or "?"


def _next_action(row: Row[*tuple[Any, ...]], is_open: bool, at: datetime, zone: ZoneInfo) -> tuple[str, str]:
    if not is_open:
        return "ok", ""
    if not row.next_action or row.next_action_due_at is None:
        return "missing", ""
    due = row.next_action_due_at.astimezone(zone)
    today = at.astimezone(zone).date()
    label = due.strftime("%-d %b") if due.year == today.year else due.strftime("%-d %b %Y")
    if row.next_action_due_at < at:
        return "overdue", label
    return ("today", "Today") if due.date() == today else ("ok", label)
