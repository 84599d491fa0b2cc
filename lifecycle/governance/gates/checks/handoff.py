"""`handoff`: the work was handed over and the receiving team accepted it (E17)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
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
from lifecycle.work.handoffs.models import Handoff
from lifecycle.work.handoffs.queries import handoffs_by_card

Handoffs = Mapping[uuid.UUID, list[Handoff]]
RECEIVED = "received"


class HandoffParams(Params):
    """`to` is the pipeline that received it; or `received`: this card came by one, which must be accepted."""

    to: str


class HandoffCheck(CheckType[HandoffParams, Handoffs]):
    """Written `handoff: delivery` on the side that gives, `handoff: received` on the side that takes."""

    keyword = "handoff"

    def read(self, written: Any) -> list[HandoffParams]:
        """Return the check."""
        return [HandoffParams.model_validate(one_name(written, "pipeline", "to"))]

    def name(self, params: HandoffParams) -> str:
        """Return the pipeline's key, or `received`."""
        return params.to

    def references(self, params: HandoffParams) -> list[Reference]:
        """Return the pipeline."""
        return [] if params.to == RECEIVED else [Reference("pipeline", params.to)]

    def load(self, asks: Sequence[Ask]) -> Handoffs:
        """Return what each card gave and received."""
        return handoffs_by_card(card_ids(asks))

    def judge(self, ask: Ask, params: HandoffParams, facts: Handoffs) -> Verdict:
        """Say whether it was handed over, waits, or came back."""
        card = ask.subject.card
        handoffs = facts.get(card.id, [])
        if params.to == RECEIVED:
            handoff = next((each for each in handoffs if each.to_card_id == card.id), None)
            if handoff is None:
                return Verdict(True, "It did not come by a handoff.")
            remedy = Remedy("handoff", {"id": str(handoff.id), "side": "receiver"})
            if handoff.state == "accepted":
                return Verdict(True, "The handoff is accepted.", remedy)
            return Verdict(False, "The handoff is not accepted yet; accept it or return it.", remedy)
        handoff = next(
            (each for each in handoffs if each.from_card_id == card.id and each.to_pipeline == params.to),
            None,
        )
        receiver = _receiver(ask, params.to)
        remedy = Remedy(
            "handoff", {"id": str(handoff.id) if handoff else None, "side": "giver", "to": params.to}
        )
        if handoff is None:
            return Verdict(False, f"It has not been handed over to {receiver} yet.", remedy)
        if handoff.state == "returned":
            return Verdict(False, f"{receiver} returned the handoff: {handoff.reason}", remedy)
        if handoff.state == "offered":
            return Verdict(False, f"{receiver} has not accepted the handoff yet.", remedy)
        return Verdict(True, f"{receiver} accepted the handoff.", remedy)


def _receiver(ask: Ask, pipeline: str) -> str:
    playbook = ask.subject.playbook
    definition = next((each for each in playbook.pipelines if each.key == pipeline), None)
    return playbook.name_of(definition.department) if definition else pipeline
