"""`set_field`: fill in a field."""

from __future__ import annotations

from lifecycle.core.clock import now
from lifecycle.governance.automation.actions.base import CHANNEL, Performing
from lifecycle.governance.cards.edit import read_fields, set_fields
from lifecycle.governance.gates.context import today_of
from lifecycle.governance.rules.actions import SetFieldParams


def perform(doing: Performing, params: SetFieldParams) -> str:
    """Write the field as if it had been typed; `today` is the day in the first calendar's zone."""
    subject = doing.subject
    definition = subject.playbook.fields[params.field]
    typed = (
        today_of(subject.playbook, now()).isoformat()
        if params.value == "today" and definition.type == "date"
        else params.value
    )
    changed = set_fields(subject, read_fields(subject, {params.field: typed}), doing.actor, CHANNEL)
    return f"{definition.name} filled in." if changed else f"{definition.name} stands as it should."
