"""Which legal documents an account has accepted, in which version, by whom and when (W12)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.records.cards.models import Card
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.work.client_requests.models import ClientRequest


@dataclass(frozen=True)
class Accepted:
    """The latest acceptance of a document: `key` and `version` of the playbook's, `by` as they wrote it."""

    playbook: str
    key: str
    name: str
    version: str
    by: str
    at: datetime
    request_id: uuid.UUID


def accepted_documents(account_id: uuid.UUID) -> list[Accepted]:
    """Return what an account has accepted, each document once in the version accepted last. One query."""
    rows = db.session.execute(
        sa.select(ClientRequest, Pipeline.playbook_key)
        .join(Card, Card.id == ClientRequest.card_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(
            Card.account_id == account_id,
            ClientRequest.status == "accepted",
            ClientRequest.answered_at.is_not(None),
            sa.func.jsonb_path_exists(ClientRequest.documents, sa.literal_column("'$[*].legal'")),
        )
        .order_by(ClientRequest.answered_at.desc())
        .limit(100)
    )
    found: dict[tuple[str, str], Accepted] = {}
    for request, playbook in rows:
        assert request.answered_at is not None
        for item in request.documents:
            if item.get("legal"):
                accepted = Accepted(
                    playbook,
                    item["legal"],
                    item["name"],
                    item["version"],
                    str(request.proof.get("name", "")),
                    request.answered_at,
                    request.id,
                )
                found.setdefault((playbook, item["legal"]), accepted)
    return sorted(found.values(), key=lambda each: each.name)
