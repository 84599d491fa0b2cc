"""`handoff`: hand the card's work over to another pipeline."""

from __future__ import annotations

from lifecycle.governance.automation.actions.base import Performing
from lifecycle.governance.handoffs.offer import offer_handoff
from lifecycle.governance.rules.actions import HandoffParams


def perform(doing: Performing, params: HandoffParams) -> str:
    """Open the receiving card, or offer it again after it was returned."""
    handoff = offer_handoff(doing.subject, params, doing.actor)
    pipeline = doing.subject.playbook.pipeline(params.to)
    return f"Handed over to {pipeline.name}, {handoff.state}."
