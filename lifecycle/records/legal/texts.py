"""Keeping and finding the published versions of legal documents."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.records.legal.models import LegalText


def list_legal_texts(playbook: str, key: str | None = None) -> Sequence[LegalText]:
    """Return the published versions of a playbook's documents, or of one; the oldest first."""
    query = select(LegalText).where(LegalText.playbook_key == playbook)
    if key is not None:
        query = query.where(LegalText.key == key)
    return db.session.scalars(query.order_by(LegalText.key, LegalText.since, LegalText.version)).all()


def find_legal_text(playbook: str, key: str, version: str) -> LegalText | None:
    """Return one version of a document as it was published, or None."""
    return db.session.get(LegalText, (playbook, key, version))
