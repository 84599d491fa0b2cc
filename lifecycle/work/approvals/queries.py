"""Reading approvals, for many cards at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from lifecycle.core.db import among, db
from lifecycle.work.approvals.models import ApprovalDecision, ApprovalRequest

# Every gate may ask this, so it is built once.
_APPROVALS = (
    select(ApprovalRequest, ApprovalDecision)
    .outerjoin(ApprovalDecision, ApprovalDecision.request_id == ApprovalRequest.id)
    .where(among(ApprovalRequest.card_id), ApprovalRequest.closed_at.is_(None))
    .order_by(ApprovalDecision.decided_at)
)


@dataclass
class Approval:
    """A current request with its decisions."""

    request: ApprovalRequest
    decisions: list[ApprovalDecision] = field(default_factory=list)

    @property
    def approvals(self) -> list[ApprovalDecision]:
        """The decisions in favor."""
        return [decision for decision in self.decisions if decision.decision == "approved"]

    @property
    def rejections(self) -> list[ApprovalDecision]:
        """The decisions against."""
        return [decision for decision in self.decisions if decision.decision == "rejected"]


def approvals_by_card(card_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, Approval]]:
    """Return each card's current requests by key, with their decisions. One query."""
    found: dict[uuid.UUID, dict[str, Approval]] = defaultdict(dict)
    for request, decision in db.session.execute(_APPROVALS, {"ids": card_ids}):
        approval = found[request.card_id].setdefault(request.key, Approval(request))
        if decision is not None:
            approval.decisions.append(decision)
    return found
