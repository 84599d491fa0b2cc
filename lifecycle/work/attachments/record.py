"""Writing attachments. The caller holds the card (`changing_card`) and records the event."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.records.people.actor import Actor
from lifecycle.work.attachments.models import Attachment

MEDIA = {
    "phone": "Phone",
    "email": "Email",
    "whatsapp": "WhatsApp",
    "sms": "SMS",
    "linkedin": "LinkedIn",
    "in_person": "In person",
    "video": "Video call",
    "other": "Other",
}


def attach(
    card_id: uuid.UUID,
    visit_id: int,
    actor: Actor,
    *,
    key: str | None,
    kind: str,
    title: str,
    file_id: uuid.UUID | None = None,
    url: str | None = None,
    note: str | None = None,
    happened_at: datetime | None = None,
    medium: str | None = None,
    outcome: str | None = None,
) -> Attachment:
    """Attach a proof to a card.

    Raises:
        Invalid: what its kind needs is missing (a file, an address, a text, or when and how a talk was).
    """
    missing = {
        "file": (file_id is None, "file", "Choose a file."),
        "link": (not url, "url", "Give the address."),
        "note": (not note, "note", "Write the note."),
        "talk": (happened_at is None or medium not in MEDIA, "happened_at", "Say when and how you talked."),
    }[kind]
    if missing[0]:
        raise Invalid(missing[2], {missing[1]: missing[2]})
    if happened_at is not None and happened_at > now():
        raise Invalid("A talk cannot lie in the future.", {"happened_at": "Give a past time."})
    item = Attachment(
        card_id=card_id,
        visit_id=visit_id,
        key=key,
        kind=kind,
        title=title,
        file_id=file_id,
        url=url,
        note=note,
        happened_at=happened_at,
        medium=medium,
        outcome=outcome,
        added_by=actor.user_id,
    )
    db.session.add(item)
    db.session.flush()
    return item


def withdraw(card_id: uuid.UUID, attachment_id: uuid.UUID, actor: Actor) -> Attachment:
    """Take a proof back; it stays on record and counts no more.

    Raises:
        NotFound: the card has no such attachment.
    """
    item = db.session.get(Attachment, attachment_id, populate_existing=True)
    if item is None or item.card_id != card_id or item.withdrawn_at is not None:
        raise NotFound("This card has no such attachment.")
    item.withdrawn_at, item.withdrawn_by = now(), actor.user_id
    return item


def describe(item: Attachment) -> dict[str, Any]:
    """Return what evidence keeps of an attachment; its title as `label`, because `title` is the card's."""
    return {
        "attachment": item.id,
        "key": item.key,
        "kind": item.kind,
        "label": item.title,
        "file": item.file_id,
        "url": item.url,
        "note": item.note,
        "happened_at": item.happened_at,
        "medium": item.medium,
        "how": MEDIA.get(item.medium or ""),
        "outcome": item.outcome,
    }
