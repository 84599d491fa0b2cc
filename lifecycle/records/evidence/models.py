"""Evidence chains and their events."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.db import Model


class EvidenceChain(Model):
    """The head of one chain: `key` is `account:<uuid>`, `users`, `playbooks` or `system`."""

    __tablename__ = "evidence_chains"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    head_seq: Mapped[int] = mapped_column(default=0)
    head_hash: Mapped[bytes] = mapped_column(LargeBinary, default=b"")


class Event(Model):
    """One entry. `canonical` is the exact text that was hashed; `body` is the same, for queries.

    The hash covers the canonical text, which names chain, sequence and the previous hash; so an edit,
    deletion, insertion or reorder breaks the chain at that place.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("chain_id", "seq"),
        CheckConstraint("hash = sha256(convert_to(canonical, 'UTF8'))", name="hash_of_canonical"),
        Index("ix_events_card", "card_id", "at"),
        Index("ix_events_account", "account_id", "at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("evidence_chains.id"))
    seq: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str]
    actor_id: Mapped[uuid.UUID | None]
    account_id: Mapped[uuid.UUID | None]
    card_id: Mapped[uuid.UUID | None]
    canonical: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB, Computed("canonical::jsonb", persisted=True))
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class EvidenceHead(Model):
    """A signed statement of how every chain ended at one moment (see `heads.py`); also kept outside."""

    __tablename__ = "evidence_heads"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    statement: Mapped[str]
    signature: Mapped[str]
    public_key: Mapped[str]
