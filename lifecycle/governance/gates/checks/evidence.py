"""`evidence`: a proof of the named kind is attached: a file, link, note or logged talk."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from pydantic import Field

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
from lifecycle.work.attachments.models import Attachment
from lifecycle.work.attachments.queries import attachments_by_card


class EvidenceParams(Params):
    """`name` is an evidence of the playbook; `outcome` lists the outcomes of a talk that will do."""

    name: str
    at_least: int = Field(default=1, ge=1, le=50)
    outcome: tuple[str, ...] = ()


class EvidenceCheck(CheckType[EvidenceParams, dict[uuid.UUID, list[Attachment]]]):
    """Written `evidence: terms_sheet` or `evidence: {name: outreach, outcome: [replied]}`."""

    keyword = "evidence"

    def read(self, written: Any) -> list[EvidenceParams]:
        """Return the check."""
        mapping = one_name(written, "evidence")
        if isinstance(mapping.get("outcome"), str):
            mapping = {**mapping, "outcome": [mapping["outcome"]]}
        return [EvidenceParams.model_validate(mapping)]

    def name(self, params: EvidenceParams) -> str:
        """Return the evidence's key."""
        return params.name

    def references(self, params: EvidenceParams) -> list[Reference]:
        """Return the evidence and the outcomes named."""
        outcomes = [Reference("outcome", f"{params.name}.{outcome}") for outcome in params.outcome]
        return [Reference("evidence", params.name), *outcomes]

    def load(self, asks: Sequence[Ask]) -> dict[uuid.UUID, list[Attachment]]:
        """Return each card's attachments that are not withdrawn."""
        return attachments_by_card(card_ids(asks))

    def judge(self, ask: Ask, params: EvidenceParams, facts: dict[uuid.UUID, list[Attachment]]) -> Verdict:
        """Say what is not attached, or which outcome is awaited."""
        evidence = ask.subject.playbook.evidence[params.name]
        mine = [item for item in facts.get(ask.subject.id, []) if item.key == params.name]
        good = [item for item in mine if not params.outcome or item.outcome in params.outcome]
        remedy = Remedy("evidence", {"evidence": params.name})
        if len(good) >= params.at_least:
            return Verdict(True, f"{evidence.name} is on file.", remedy)
        if params.outcome and mine:
            wanted = " or ".join(
                f"“{option.name if option else key}”"
                for key, option in ((key, evidence.outcome(key)) for key in params.outcome)
            )
            return Verdict(False, f"{evidence.name} is logged, but without the outcome {wanted}.", remedy)
        have = f" ({len(good)} of {params.at_least})" if params.at_least > 1 else ""
        verb = "logged" if evidence.accepts == ("talk",) else "attached"
        return Verdict(False, f"{evidence.name} is not {verb}{have}.", remedy)
