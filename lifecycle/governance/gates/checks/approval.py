"""`approval`: somebody of a role, or n of them, approved; void when what they approved has changed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from lifecycle.governance.gates.checks.base import Ask, CheckType, Params, Reference, Verdict, card_ids
from lifecycle.governance.gates.report import Remedy
from lifecycle.governance.gates.subject import Subject
from lifecycle.work.approvals.queries import Approval, approvals_by_card
from lifecycle.work.approvals.subject import hash_subject


class ApprovalParams(Params):
    """`by` is a role, `of` the fields that are approved, `needed` how many people must approve."""

    name: str = ""
    by: str
    of: tuple[str, ...] = ()
    needed: int = Field(default=1, ge=1, le=10)


class ApprovalCheck(CheckType[ApprovalParams, dict[uuid.UUID, dict[str, Approval]]]):
    """Written `approval: growth_manager` or `approval: {by: growth_manager, of: [price], needed: 2}`."""

    keyword = "approval"

    def read(self, written: Any) -> list[ApprovalParams]:
        """Return the check."""
        return [ApprovalParams.model_validate({"by": written} if isinstance(written, str) else written)]

    def name(self, params: ApprovalParams) -> str:
        """Return the approval's own name, or the role's."""
        return params.name or params.by

    def references(self, params: ApprovalParams) -> list[Reference]:
        """Return the role and the fields."""
        return [Reference("role", params.by), *(Reference("field", name) for name in params.of)]

    def load(self, asks: Sequence[Ask]) -> dict[uuid.UUID, dict[str, Approval]]:
        """Return each card's current approval requests with their decisions, by key."""
        return approvals_by_card(card_ids(asks))

    def judge(self, ask: Ask, params: ApprovalParams, facts: dict[uuid.UUID, dict[str, Approval]]) -> Verdict:
        """Say whether it was not asked, is awaited, was rejected, or is void."""
        role = ask.subject.playbook.name_of(params.by)
        what = _what(ask.subject, params)
        approval = facts.get(ask.subject.id, {}).get(approval_key(ask.check.stage, self.name(params)))
        remedy = _remedy(ask, params, self.name(params), approval)
        if approval is None:
            return Verdict(False, f"{what} is not approved; ask {role}.", remedy)
        if approval.request.subject_hash != hash_subject(approval_subject(ask.subject, params.of)):
            return Verdict(False, f"{what} changed after it was put to {role}; ask again.", remedy)
        if approval.rejections:
            note = approval.rejections[0].note
            return Verdict(False, f"{role} rejected {_lower(what)}" + (f": {note}" if note else "."), remedy)
        if len(approval.approvals) < params.needed:
            have = f" ({len(approval.approvals)} of {params.needed})" if params.needed > 1 else ""
            return Verdict(False, f"{what} waits for {role} to approve{have}.", remedy)
        return Verdict(True, f"{what} is approved.", remedy)


def approval_key(stage: str, name: str) -> str:
    """Return the key under which a stage's approval is asked for and found."""
    return f"{stage}.{name}"


def approval_subject(subject: Subject, fields: Sequence[str]) -> dict[str, Any]:
    """Return what is put to the approver: the fields as they stand, and the card's value."""
    values: dict[str, Any] = {name: subject.value(name) for name in fields}
    if not fields:
        values = {"value": str(subject.card.value_amount) if subject.card.value_amount is not None else None}
    return values


def _what(subject: Subject, params: ApprovalParams) -> str:
    names = [subject.playbook.fields[name].name for name in params.of]
    if not names:
        return "The step"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _lower(what: str) -> str:
    return what[:1].lower() + what[1:]


def _remedy(ask: Ask, params: ApprovalParams, name: str, approval: Approval | None) -> Remedy:
    return Remedy(
        "approval",
        {
            "key": approval_key(ask.check.stage, name),
            "role": params.by,
            "fields": list(params.of),
            "needed": params.needed,
            "request": str(approval.request.id) if approval else None,
            "requested_by": approval.request.requested_by if approval else None,
            "is_current": approval is not None
            and approval.request.subject_hash == hash_subject(approval_subject(ask.subject, params.of))
            and not approval.rejections,
        },
    )
