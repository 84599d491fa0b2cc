"""The channels that an installation has set up."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id

KINDS: Final = {"slack": "Slack", "teams": "Teams", "webhook": "Webhook"}
LONGEST_KEY: Final = 60
_KEY: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
KEY_FORM: Final = "small letters, digits and single hyphens, like delivery-alerts"


def is_channel_key(text: str) -> bool:
    """Say whether a channel may have this key."""
    return len(text) <= LONGEST_KEY and _KEY.fullmatch(text) is not None


class TeamChannel(Model):
    """A channel. Playbooks name it by its key; address and secrets are sealed (`core/sealing.py`).

    `shown_address` is what of the address may be read. A secret that was replaced signs beside the new one
    until `former_secret_until`. While it rests nothing is handed to it: it was away, or asked for that.
    """

    __tablename__ = "team_channels"
    __table_args__ = (CheckConstraint("kind in ('slack','teams','webhook')", name="kind"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    sealed_address: Mapped[bytes]
    shown_address: Mapped[str]
    sealed_secret: Mapped[bytes | None]
    former_secret: Mapped[bytes | None]
    former_secret_until: Mapped[datetime | None]
    is_on: Mapped[bool] = mapped_column(default=True)
    off_because: Mapped[str | None]
    rests_until: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    last_failure: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def label(self) -> str:
        """Return how people know it, like `#delivery-alerts (Slack)`."""
        return f"#{self.key} ({KINDS[self.kind]})"
