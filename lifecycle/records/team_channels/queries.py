"""Looking channels up."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.records.team_channels.models import TeamChannel


def list_channels() -> Sequence[TeamChannel]:
    """Return all channels by key."""
    return db.session.scalars(sa.select(TeamChannel).order_by(TeamChannel.key)).all()


def find_channel(key: str) -> TeamChannel | None:
    """Return the channel of this key as the database has it now; None where none is set up."""
    return db.session.scalar(
        sa.select(TeamChannel).where(TeamChannel.key == key).execution_options(populate_existing=True)
    )


def get_channel(channel_id: uuid.UUID, *, to_change: bool = False) -> TeamChannel:
    """Return a channel, held until the transaction ends if it is to be changed.

    Raises:
        NotFound: there is none.
    """
    channel = db.session.get(
        TeamChannel, channel_id, populate_existing=True, with_for_update=True if to_change else None
    )
    if channel is None:
        raise NotFound("There is no such channel.")
    return channel


def channel_labels(keys: Iterable[str]) -> dict[str, str]:
    """Return how people know each of these channels, set up or not; asks nothing for none."""
    wanted = list(dict.fromkeys(keys))
    if not wanted:
        return {}
    found = db.session.scalars(sa.select(TeamChannel).where(TeamChannel.key.in_(wanted)))
    labels = {channel.key: channel.label + ("" if channel.is_on else ", switched off") for channel in found}
    return {key: labels.get(key, f"#{key} (not set up here)") for key in wanted}
