"""`meeting`: a meeting of the named kind was held and has notes (E28)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from lifecycle.governance.gates.checks.base import (
    Ask,
    CheckType,
    Params,
    Reference,
    Verdict,
    card_ids,
    one_name,
)
from lifecycle.governance.gates.report import Remedy
from lifecycle.work.meetings.models import Meeting
from lifecycle.work.meetings.queries import meetings_by_card


class MeetingParams(Params):
    """`name` is a meeting of the playbook."""

    name: str


class MeetingCheck(CheckType[MeetingParams, dict[uuid.UUID, list[Meeting]]]):
    """Written `meeting: qualification`."""

    keyword = "meeting"

    def read(self, written: Any) -> list[MeetingParams]:
        """Return the check."""
        return [MeetingParams.model_validate(one_name(written, "meeting"))]

    def name(self, params: MeetingParams) -> str:
        """Return the meeting's key."""
        return params.name

    def references(self, params: MeetingParams) -> list[Reference]:
        """Return the meeting."""
        return [Reference("meeting", params.name)]

    def load(self, asks: Sequence[Ask]) -> dict[uuid.UUID, list[Meeting]]:
        """Return each card's meetings."""
        return meetings_by_card(card_ids(asks))

    def judge(self, ask: Ask, params: MeetingParams, facts: dict[uuid.UUID, list[Meeting]]) -> Verdict:
        """Say whether it was not planned, not held, or has no notes."""
        name = ask.subject.playbook.meetings[params.name].name
        mine = [m for m in facts.get(ask.subject.id, []) if m.key == params.name and m.cancelled_at is None]
        planned = next((m for m in mine if m.held_at is None or not m.notes), None)
        remedy = Remedy("meeting", {"meeting": params.name, "planned": str(planned.id) if planned else None})
        if any(meeting.held_at and meeting.notes for meeting in mine):
            return Verdict(True, f"{name} was held, with notes.", remedy)
        if planned is None:
            return Verdict(False, f"{name} has not been planned.", remedy)
        if planned.held_at is None:
            return Verdict(False, f"{name} is planned and not yet marked as held.", remedy)
        return Verdict(False, f"{name} was held, but has no notes.", remedy)
