"""A message by which an administrator tries a channel out."""

from __future__ import annotations

import uuid

from lifecycle.core.ids import new_id
from lifecycle.records.outbox.compose import send_to_channel
from lifecycle.records.outbox.letters import base_url
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.records.team_channels.configure import PERMISSION
from lifecycle.records.team_channels.models import TeamChannel
from lifecycle.records.team_channels.queries import get_channel

KIND = "channel_test"


def send_test(channel_id: uuid.UUID, *, actor: Actor) -> TeamChannel:
    """Owe a channel a test message.

    Raises:
        NotPermitted, NotFound.
    """
    require(actor, PERMISSION)
    channel = get_channel(channel_id)
    send_to_channel(
        channel.key,
        KIND,
        subject=f"A test from Lifecycle to #{channel.key}",
        text=f"{actor.name} tries this channel out. What playbooks tell #{channel.key} arrives here.",
        about={"event": "channel.test", "link": f"{base_url()}/team-channels/{channel.id}"},
        cause=f"channel-test/{new_id()}",
    )
    return channel
