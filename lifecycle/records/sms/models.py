"""Answers to SMS that were heard."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class SmsReply(Model):
    """An answer that was acted on, so that posted again it changes nothing. Its text is not kept."""

    __tablename__ = "sms_replies"

    __table_args__ = (UniqueConstraint("provider", "provider_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    provider: Mapped[str]
    provider_id: Mapped[str]
    word: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(default=now)
