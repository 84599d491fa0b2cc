"""What a board shows: plain values, with every decision already made."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
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


class CardFace(NamedTuple):
    """The face of a card; see templates/components/card_face.html.

    A tuple, because a board makes hundreds and looks each up among those drawn before (web/faces.py).
    """

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
        return self._replace(moved_by_initials=initials(name) if name else None)


class FaceRow(NamedTuple):
    """What the board's queries select for a face, in this order."""

    id: uuid.UUID
    visit_id: int
    version: int
    stage_id: int
    revision_id: int
    account_id: uuid.UUID
    owner_id: uuid.UUID
    title: str
    value_amount: Decimal | None
    value_currency: str | None
    sla_due_at: datetime | None
    is_paused: bool
    waiting_on_client: bool
    client_status: str | None
    gate_passed: int
    gate_total: int
    next_action: str | None
    next_action_due_at: datetime | None
    board_order: int
    created_at: datetime
    stage_key: str
    pipeline_key: str
    account_name: str
    segment: str | None
    owner_name: str
    entered_at: datetime
    is_imported: bool


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
    """Return the face of one row of `queries.faces`."""
    face = FaceRow(*row[: len(FaceRow._fields)])
    playbook = of_revision(face.revision_id)
    stage = stage_of(playbook.pipeline(face.pipeline_key), face.stage_key)
    start = clock_start(face.entered_at, face.created_at, is_imported=face.is_imported)
    clock = view(playbook, stage, start, face.sla_due_at, at, paused=face.is_paused)
    action_state, action_label = _next_action(face, stage.is_open, at, zone)
    return CardFace(
        id=face.id,
        visit_id=face.visit_id,
        version=face.version,
        stage_key=face.stage_key,
        account_name=face.account_name,
        account_url=f"/accounts/{face.account_id}",
        title=face.title,
        url=f"/cards/{face.id}",
        value=face.value_amount,
        currency=face.value_currency,
        owner_name=face.owner_name,
        owner_initials=initials(face.owner_name),
        sla_state=clock.state,
        # As fine as the ring can show, so that a face stays the same for a while.
        sla_fraction=round(clock.fraction, 2),
        sla_label=sla_label(clock),
        age_label=short_span(at - face.entered_at),
        gate_passed=face.gate_passed,
        gate_total=face.gate_total if stage.is_open else 0,
        gate_blocked=face.gate_total - face.gate_passed,
        next_action=face.next_action,
        next_action_due_label=action_label,
        next_action_state=action_state,
        waiting_on_client=face.waiting_on_client,
        client_status=CLIENT_WORDS.get(face.client_status or ""),
        order=face.board_order,
        account_id=face.account_id,
        owner_id=face.owner_id,
        segment=face.segment or "",
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


@lru_cache(maxsize=4096)
def initials(name: str) -> str:
    """Return up to two capital letters that stand for a name."""
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:1] + words[1:][-1:]).upper() or "?"


def _next_action(row: FaceRow, is_open: bool, at: datetime, zone: ZoneInfo) -> tuple[str, str]:
    if not is_open:
        return "ok", ""
    if not row.next_action or row.next_action_due_at is None:
        return "missing", ""
    due = row.next_action_due_at.astimezone(zone)
    today = at.astimezone(zone).date()
    label = _day(due.date(), today.year)
    if row.next_action_due_at < at:
        return "overdue", label
    return ("today", "Today") if due.date() == today else ("ok", label)


@lru_cache(maxsize=4096)
def _day(day: date, this_year: int) -> str:
    return day.strftime("%-d %b") if day.year == this_year else day.strftime("%-d %b %Y")
