"""The versions of a playbook's legal documents, each with the text that clients accept."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model


class LegalText(Model):
    """One published version of a legal document. Never changed: other words are another version.

    `since` is its first day in force; `sha256` is of `text` in UTF-8, as the papers of clients name it.
    """

    __tablename__ = "legal_texts"

    playbook_key: Mapped[str] = mapped_column(ForeignKey("playbooks.key"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    since: Mapped[date]
    text: Mapped[str]
    sha256: Mapped[str]
    published_at: Mapped[datetime] = mapped_column(default=now)
