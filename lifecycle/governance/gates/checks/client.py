"""`client`: the client answered a request, and nothing they were shown has changed since (E8, W7, W16)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

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
from lifecycle.governance.gates.subject import Subject
from lifecycle.work.client_requests.models import ClientRequest
from lifecycle.work.client_requests.queries import requests_by_card
from lifecycle.work.client_requests.subject import hash_shown

Requests = Mapping[uuid.UUID, Mapping[str, ClientRequest]]

_SENTENCES = {
    "not_asked": "“{name}” has not been sent: nobody with an email address is known.",
    "asked": "“{name}” waits for the client.",
    "opened": "“{name}” waits for the client, who has opened it.",
    "in_progress": "“{name}” waits for the client, who has begun.",
    "returned": "“{name}” was returned to the client and waits for them.",
    "submitted": "“{name}” was submitted; accept it or return it.",
    "expired": "“{name}” expired without an answer; ask again.",
}
_RANK = ("asked", "opened", "in_progress", "submitted", "accepted")


class ClientParams(Params):
    """`name` is a request of the playbook; `status` is how far it must have come."""

    name: str
    status: Literal["submitted", "accepted"] = "accepted"


class ClientCheck(CheckType[ClientParams, Requests]):
    """Written `client: accept_subscription`, or `client: {name: order, status: submitted}`."""

    keyword = "client"

    def read(self, written: Any) -> list[ClientParams]:
        """Return the check."""
        return [ClientParams.model_validate(one_name(written, "request"))]

    def name(self, params: ClientParams) -> str:
        """Return the request's key."""
        return params.name

    def references(self, params: ClientParams) -> list[Reference]:
        """Return the request."""
        return [Reference("client_request", params.name)]

    def load(self, asks: Sequence[Ask]) -> Requests:
        """Return each card's open requests."""
        return requests_by_card(card_ids(asks))

    def judge(self, ask: Ask, params: ClientParams, facts: Requests) -> Verdict:
        """Say where the request stands, and why that is not enough."""
        definition = ask.subject.playbook.client_requests[params.name]
        request = facts.get(ask.subject.id, {}).get(params.name)
        remedy = Remedy("client", {"request": params.name, "id": str(request.id) if request else None})
        if request is None:
            return Verdict(False, f"“{definition.name}” has not been asked of the client.", remedy)
        if request.status == "declined":
            because = f": {request.reason}" if request.reason else "."
            return Verdict(False, f"The client declined “{definition.name}”{because}", remedy)
        if request.status in ("submitted", "accepted") and is_changed(ask.subject, request):
            return Verdict(
                False,
                f"What the client was shown of “{definition.name}” has changed since; ask again.",
                remedy,
            )
        if _RANK.index(params.status) <= (_RANK.index(request.status) if request.status in _RANK else -1):
            verb = "accepted" if request.status == "accepted" else "submitted"
            return Verdict(True, f"“{definition.name}” was {verb} by the client.", remedy)
        return Verdict(False, _SENTENCES[request.status].format(name=definition.name), remedy)


def shown_values(subject: Subject, fields: Sequence[str]) -> dict[str, Any]:
    """Return the stored values of what a request shows; a field that a newer revision dropped is absent."""
    return {key: subject.value(key) for key in fields if key in subject.playbook.fields}


def is_changed(subject: Subject, request: ClientRequest) -> bool:
    """Say whether what the client was shown, or what they signed with it, reads differently now."""
    fields = [item["key"] for item in request.shown]
    if hash_shown(shown_values(subject, fields)) != request.shown_hash:
        return True
    definition = subject.playbook.client_requests.get(request.key)
    # What was returned to them is theirs to change: they sign anew.
    stands = request.signed_at is not None and request.status in ("submitted", "accepted")
    if definition is None or not stands:
        return False
    saved = {question.key: question.saves for question in definition.asks if question.saves}
    return any(
        subject.value(field) != request.answers[key]
        for key, field in saved.items()
        if field in subject.playbook.fields and key in request.answers
    )
