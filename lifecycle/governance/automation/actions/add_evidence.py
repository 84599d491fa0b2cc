"""`add_evidence`: attach a note as evidence."""

from __future__ import annotations

from lifecycle.governance.automation.actions.base import CHANNEL, Performing
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.rules.actions import AddEvidenceParams
from lifecycle.work.attachments.record import attach, describe


def perform(doing: Performing, params: AddEvidenceParams) -> str:
    """Attach the note."""
    subject = doing.subject
    name = subject.playbook.evidence[params.evidence].name
    item = attach(
        subject.card.id,
        subject.visit.id,
        doing.actor,
        key=params.evidence,
        kind="note",
        title=name,
        note=params.note,
    )
    record_card_event(subject, "card.evidence.added", doing.actor, CHANNEL, {**describe(item), "name": name})
    return f"Attached: {name}."
