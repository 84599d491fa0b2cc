"""The channels of the demo's teams: each leads to the local mailbox, where this machine has one."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import current_app

from lifecycle.records.outbox.trials import send_test
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.team_channels.configure import create_channel
from lifecycle.records.team_channels.queries import list_channels

CHANNELS = {"delivery-alerts": "Delivery alerts", "customer-health": "Health of customers"}


def open_channels() -> None:
    """Set the channels up, unless nothing may be posted to this machine."""
    settings = current_app.extensions["settings"]
    if urlsplit(settings.base_url).netloc not in settings.channel_hosts_allowed:
        return
    for key, name in CHANNELS.items():
        create_channel(
            key=key,
            name=name,
            kind="webhook",
            address=f"{settings.base_url}/dev/mailbox/channels/{key}",
            actor=SYSTEM,
            channel="command",
        )


def try_channels() -> None:
    """Send each channel a test message, so that one sees at once how it arrives."""
    for channel in list_channels():
        send_test(channel.id, actor=SYSTEM)
