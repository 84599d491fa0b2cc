"""The keys by which playbooks name channels of teams; which there are is for the installation to say."""

from __future__ import annotations

from lifecycle.records.team_channels.models import KEY_FORM, is_channel_key


def as_channel_key(text: str) -> str:
    """Return the key.

    Raises:
        ValueError: no channel can have it.
    """
    if not is_channel_key(text):
        raise ValueError(f"the key of a channel is made of {KEY_FORM}")
    return text
