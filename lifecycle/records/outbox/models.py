"""Outgoing messages and their states."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id

CHANNELS = ("email", "sms", "team")
STATES = ("held", "due", "claimed", "handing_over", "sent", "failed", "cancelled", "unconfirmed")


class OutboxMessage(Model):
    """One message to one person, by mail or as an SMS, or to one channel of a team.

    `cause` names what owes it, so that one cause never makes two. Messages of one journey carry the same
    `thread`, and mail programs show them together. While `held_by` is set somebody holds it back.

    A send is claimed, then `handing_over` is committed before DATA: a crash before it is retried, a crash
    after it is `unconfirmed`, and repeated once under the same Message-ID only where `resend_if_unsure`.
    """

    __tablename__ = "outbox_messages"
    __table_args__ = (
        Index(
            "ix_outbox_messages_due",
            "next_attempt_at",
            postgresql_where=text("state in ('held','due','claimed','handing_over')"),
        ),
        Index("ix_outbox_messages_card", "card_id", postgresql_where=text("card_id is not null")),
        Index("ix_outbox_messages_visit", "visit_id", postgresql_where=text("visit_id is not null")),
        Index("ix_outbox_messages_about", "created_at", "id", postgresql_where=text("card_id is not null")),
        Index(
            "ix_outbox_messages_undelivered",
            "created_at",
            postgresql_where=text("state in ('failed','unconfirmed')"),
        ),
        Index("ix_outbox_messages_resent", "resent_from", postgresql_where=text("resent_from is not null")),
        CheckConstraint("channel in ('email','sms','team')", name="channel"),
        Index(
            "ix_outbox_messages_provider",
            "provider",
            "provider_id",
            postgresql_where=text("provider_id is not null"),
        ),
        Index(
            "ix_outbox_messages_team",
            "team_key",
            "created_at",
            postgresql_where=text("team_key is not null"),
        ),
        CheckConstraint("(channel = 'team') = (team_key is not null)", name="team_key"),
        CheckConstraint("state in (" + ",".join(f"'{state}'" for state in STATES) + ")", name="state"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    to_address: Mapped[str]
    to_name: Mapped[str | None]
    subject: Mapped[str]
    text_body: Mapped[str]
    html_body: Mapped[str | None]
    message_id: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default="due")
    resend_if_unsure: Mapped[bool] = mapped_column(default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    claimed_at: Mapped[datetime | None]
    # The number of the deliverer, as `core.living` knows it.
    claimed_by: Mapped[int | None] = mapped_column(BigInteger)
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    contact_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("contacts.id"))
    card_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("cards.id"))
    # The move that caused it: taking the move back takes it back too, and until then it waits.
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("stage_visits.id"))
    request_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("client_requests.id"))
    thread: Mapped[str | None]
    reply_to: Mapped[str | None]
    cause: Mapped[str | None] = mapped_column(unique=True)
    added_line: Mapped[str | None]
    added_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    held_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    resent_from: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("outbox_messages.id"))
    channel: Mapped[str] = mapped_column(default="email", server_default="email")
    to_phone: Mapped[str | None]
    sms_text: Mapped[str | None]
    # Why whoever prefers SMS gets this by mail.
    by_mail_because: Mapped[str | None]
    # How many of the attempts were by the other channel.
    attempts_before: Mapped[int] = mapped_column(default=0, server_default="0")
    # It was asked for at this moment, or somebody said so: no quiet hours hold it.
    at_once: Mapped[bool] = mapped_column(default=False, server_default="false")
    # The end of the quiet hours that it waits out.
    quiet_until: Mapped[datetime | None]
    # The channel of a team that it is for, whether or not there is one; what it is about, for programs.
    team_key: Mapped[str | None]
    about: Mapped[dict[str, Any] | None]
    # The kind of that channel, or who took the SMS, and under which number of theirs; what receipts speak of.
    provider: Mapped[str | None]
    provider_id: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def reader_id(self) -> uuid.UUID | None:
        """The contact or user that it goes to; None for a channel of a team and an address of nobody."""
        return self.contact_id or self.user_id
