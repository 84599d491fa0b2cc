"""`ask_approval`: put the approval that the stage's gate asks for to its role."""

from __future__ import annotations

from dataclasses import replace

from lifecycle.governance.automation.actions.base import CHANNEL, Performing
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.proofs import tell_approvers
from lifecycle.governance.gates.checks.approval import approval_key, approval_subject
from lifecycle.governance.rules.actions import AskApprovalParams
from lifecycle.work.approvals.queries import approvals_by_card
from lifecycle.work.approvals.record import request_approval
from lifecycle.work.approvals.subject import hash_subject


def perform(doing: Performing, params: AskApprovalParams) -> str:
    """Ask for it as the stage's own approval check would."""
    subject = doing.subject
    asked = approval_subject(subject, params.of)
    key = approval_key(subject.stage.key, params.name or params.by)
    role = subject.playbook.name_of(params.by)
    before = approvals_by_card([subject.id]).get(subject.id, {}).get(key)
    if before and before.request.subject_hash == hash_subject(asked) and not before.rejections:
        return f"{role} was asked already."
    request = request_approval(
        subject.card.id,
        subject.visit.id,
        key=key,
        role=params.by,
        needed=params.needed,
        subject=asked,
        note=params.note or None,
        # Whoever set it off has asked, and cannot be the one who approves.
        actor=replace(doing.actor, user_id=doing.firing.actor_id),
    )
    data = {"request": request.id, "role": params.by, "of": asked, "hash": request.subject_hash}
    record_card_event(subject, "card.approval.requested", doing.actor, CHANNEL, data, reason=request.note)
    tell_approvers(subject, request)
    return f"Approval asked of {role}."
