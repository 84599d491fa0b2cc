"""The legal documents that a request shows: the versions in force when it was asked (W12)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.core.prose import Block, ChangedBlock, blocks_of, compare
from lifecycle.core.words import _, marked
from lifecycle.governance.gates.context import today_of
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ClientRequestDef, LegalDef
from lifecycle.governance.playbooks.library import current
from lifecycle.records.cards.models import Card
from lifecycle.records.legal.models import LegalText
from lifecycle.records.legal.texts import find_legal_text, list_legal_texts
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.work.client_requests.models import ClientRequest

_NO_DOCUMENT: Final = marked("There is no such document.")


@dataclass(frozen=True)
class LegalPage:
    """A legal document to read; `changes` from the version `since` to this one, None without a comparison.

    `others` are the versions that it can be compared with, the latest first; `accepted` is the one that the
    account accepted last, None if that is this one, or there is none.
    """

    text: LegalText
    blocks: list[Block]
    others: list[LegalText]
    accepted: str | None = None
    since: LegalText | None = None
    changes: tuple[ChangedBlock, ...] | None = None


def legal_in_force(subject: Subject, definition: ClientRequestDef) -> list[dict[str, Any]]:
    """Return the documents that a request shows, in the version that is in force today.

    The law is the one of the playbook as it is published now, also for a card on an older revision.
    """
    if not definition.legal:
        return []
    newest, today = current(subject.playbook.key).legal, today_of(subject.playbook, subject.now)
    return [_shown(newest.get(key) or subject.playbook.legal[key], today) for key in definition.legal]


def _shown(document: LegalDef, today: date) -> dict[str, Any]:
    # Only a story told of the past can be before the first version: publishing refuses it.
    version = document.in_force(today) or document.versions[0]
    return {
        "name": document.name,
        "title": f"Version {version.version}, in force since {version.since:%-d %B %Y}",
        "file": None,
        "url": None,
        "sha256": version.sha256,
        "legal": document.key,
        "version": version.version,
        "since": version.since.isoformat(),
    }


def texts_of(playbook: str, documents: list[dict[str, Any]]) -> list[LegalText]:
    """Return the texts of the legal documents among what a request shows."""
    legal = [item for item in documents if item.get("legal")]
    found = [find_legal_text(playbook, item["legal"], item["version"]) for item in legal]
    return [text for text in found if text is not None]


def read_shown(subject: Subject, request: ClientRequest, key: str, since: str | None = None) -> LegalPage:
    """Return a document as a request shows it, compared with `since` if that is another version of it.

    Raises:
        NotFound: the request does not show it.
    """
    shown = next((item for item in request.documents if item.get("legal") == key), None)
    text = find_legal_text(subject.playbook.key, key, shown["version"]) if shown else None
    if text is None:
        raise NotFound(_(_NO_DOCUMENT))
    accepted = accepted_version(subject.account.id, subject.playbook.key, key)
    return read_legal(text, since, accepted if accepted != text.version else None)


def read_legal(text: LegalText, since: str | None = None, accepted: str | None = None) -> LegalPage:
    """Return a document with the earlier versions that it can be compared with."""
    published = list_legal_texts(text.playbook_key, text.key)
    others = [each for each in reversed(published) if each.since < text.since]
    old = next((each for each in others if each.version == since), None)
    return LegalPage(
        text=text,
        blocks=blocks_of(text.text),
        others=others,
        accepted=accepted,
        since=old,
        changes=compare(old.text, text.text) if old else None,
    )


def accepted_version(account_id: uuid.UUID, playbook: str, key: str) -> str | None:
    """Return the version of a document that an account accepted last, or None."""
    pattern = sa.func.jsonb_build_array(sa.func.jsonb_build_object("legal", key))
    documents = db.session.scalar(
        sa.select(ClientRequest.documents)
        .join(Card, Card.id == ClientRequest.card_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(
            Card.account_id == account_id,
            Pipeline.playbook_key == playbook,
            ClientRequest.status == "accepted",
            ClientRequest.documents.op("@>")(pattern),
        )
        .order_by(ClientRequest.decided_at.desc())
        .limit(1)
    )
    return next((item["version"] for item in documents or [] if item.get("legal") == key), None)
