"""Channels of teams as administrators see them: how each is doing, and which are named and not there."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.governance.playbooks.library import list_current_revisions
from lifecycle.governance.playbooks.setup import channels_of
from lifecycle.insight.messages import MessageState, state_of
from lifecycle.records.evidence.models import Event
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.team_channels.models import KINDS, TeamChannel
from lifecycle.records.team_channels.queries import get_channel, list_channels

MOST_MESSAGES: Final = 10
MOST_ACTS: Final = 30
_ACTS: Final = {
    "team_channel.created": "set it up",
    "team_channel.renamed": "gave it another name",
    "team_channel.address_replaced": "replaced its address",
    "team_channel.secret_replaced": "made a new secret",
    "team_channel.switched_off": "switched it off",
    "team_channel.switched_on": "switched it on",
}


@dataclass(frozen=True)
class ChannelState:
    """How a channel is doing, in words with an icon."""

    words: str
    icon: str
    tone: str
    reason: str | None = None


@dataclass(frozen=True)
class ChannelLine:
    """A channel in the list, with the playbooks that name it."""

    channel: TeamChannel
    kind: str
    state: ChannelState
    named_by: list[str]


@dataclass(frozen=True)
class MissingChannel:
    """A channel that playbooks name and nobody has set up."""

    key: str
    named_by: list[str]


@dataclass(frozen=True)
class SentLine:
    """A message to a channel; `card_id` is None for a test."""

    id: uuid.UUID
    subject: str
    card_id: uuid.UUID | None
    created_at: datetime
    state: MessageState


@dataclass(frozen=True)
class ChannelAct:
    """What somebody did about a channel."""

    by: str
    words: str
    at: datetime


@dataclass(frozen=True)
class ChannelPage:
    """A channel with its latest messages and what was done about it."""

    channel: TeamChannel
    kind: str
    state: ChannelState
    named_by: list[str]
    messages: list[SentLine]
    acts: list[ChannelAct]
    both_sign_until: datetime | None


def list_channel_lines() -> tuple[list[ChannelLine], list[MissingChannel]]:
    """Return the channels by key, and those that are missing."""
    named, channels = _named(), list_channels()
    lines = [
        ChannelLine(each, KINDS[each.kind], channel_state(each), named.get(each.key, [])) for each in channels
    ]
    there = {each.key for each in channels}
    return lines, [MissingChannel(key, named[key]) for key in sorted(named) if key not in there]


def read_channel(channel_id: uuid.UUID, zone: ZoneInfo) -> ChannelPage:
    """Return one channel.

    Raises:
        NotFound: there is none.
    """
    channel = get_channel(channel_id)
    until = channel.former_secret_until
    return ChannelPage(
        channel=channel,
        kind=KINDS[channel.kind],
        state=channel_state(channel),
        named_by=_named().get(channel.key, []),
        messages=_messages(channel.key, zone),
        acts=_acts(channel.id),
        both_sign_until=until if until is not None and until > now() else None,
    )


def channel_state(channel: TeamChannel) -> ChannelState:
    """Return how a channel is doing."""
    success, failure = channel.last_success_at, channel.last_failure_at
    if not channel.is_on:
        return ChannelState("Switched off", "ban", "neutral", channel.off_because)
    if failure is not None and (success is None or failure > success):
        return ChannelState("Fails", "alert-triangle", "breach", channel.last_failure)
    if success is None:
        return ChannelState("Not tried yet", "help", "soon", "Nothing has been sent to it so far.")
    return ChannelState("Works", "circle-check", "passed")


def _named() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for revision in list_current_revisions():
        for key in channels_of(revision.playbook):
            found.setdefault(key, []).append(revision.playbook.name)
    return found


def _messages(key: str, zone: ZoneInfo) -> list[SentLine]:
    query = (
        sa.select(OutboxMessage)
        .where(OutboxMessage.team_key == key)
        .order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
        .limit(MOST_MESSAGES)
    )
    rows: Sequence[Any] = db.session.scalars(query).all()
    return [SentLine(row.id, row.subject, row.card_id, row.created_at, state_of(row, zone)) for row in rows]


def _acts(channel_id: uuid.UUID) -> list[ChannelAct]:
    rows = db.session.execute(
        sa.select(Event.at, Event.kind, Event.body)
        .where(Event.kind.in_(_ACTS), Event.body["data"]["team_channel"].astext == str(channel_id))
        .order_by(Event.at.desc(), Event.id.desc())
        .limit(MOST_ACTS)
    ).all()
    return [ChannelAct(str(row.body["actor"]["name"]), _ACTS[row.kind], row.at) for row in rows]
