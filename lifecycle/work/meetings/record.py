"""Writing meetings. The caller holds the card (`changing_card`) and records the event."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.records.people.actor import Actor
from lifecycle.work.meetings.models import Meeting


def plan_meeting(
    card_id: uuid.UUID,
    visit_id: int,
    *,
    key: str,
    title: str,
    starts_at: datetime,
    agenda: Sequence[dict[str, Any]],
    our_attendees: Sequence[str],
    client_attendees: Sequence[str],
    actor: Actor,
) -> Meeting:
    """Plan a meeting of a kind that the playbook names."""
    meeting = Meeting(
        card_id=card_id,
        visit_id=visit_id,
        key=key,
        title=title,
        starts_at=starts_at,
        agenda=list(agenda),
        our_attendees=list(our_attendees),
        client_attendees=list(client_attendees),
        created_by=actor.user_id,
    )
    db.session.add(meeting)
    db.session.flush()
    return meeting


def get_meeting(card_id: uuid.UUID, meeting_id: uuid.UUID) -> Meeting:
    """Return a meeting of that card.

    Raises:
        NotFound: the card has no such meeting.
    """
    meeting = db.session.get(Meeting, meeting_id, populate_existing=True)
    if meeting is None or meeting.card_id != card_id:
        raise NotFound("This card has no such meeting.")
    return meeting


def hold_meeting(
    meeting: Meeting,
    *,
    held_at: datetime,
    notes: str,
    decisions: str | None,
    our_attendees: Sequence[str],
    client_attendees: Sequence[str],
) -> None:
    """Record that a meeting took place, who came, what was said and decided.

    Raises:
        Invalid: no notes, or it is said to have been held in the future.
    """
    if not notes:
        raise Invalid("Write what was said: a meeting counts once it has notes.", {"notes": "Write notes."})
    if held_at > now():
        raise Invalid("A meeting cannot have been held in the future.", {"held_at": "Give a past time."})
    meeting.held_at = held_at
    meeting.notes, meeting.decisions = notes, decisions
    meeting.our_attendees, meeting.client_attendees = list(our_attendees), list(client_attendees)
