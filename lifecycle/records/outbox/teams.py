"""What a message to a team's channel needs to leave, and what its end tells about the channel.

What is learnt is kept in the transaction that settles the message: the message is held before its channel,
everywhere.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.sealing import Unreadable, unseal
from lifecycle.records.evidence.log import record_event
from lifecycle.records.inbox.record import tell
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.people.models import User
from lifecycle.records.team_channels.configure import CHAIN
from lifecycle.records.team_channels.kinds import KINDS, LONGEST_REST, ChannelRefused, Parcel, TeamMessage
from lifecycle.records.team_channels.models import TeamChannel
from lifecycle.records.team_channels.queries import find_channel

# One that is away is asked again no sooner, whichever message is next.
_REST: Final = timedelta(seconds=30)
_GONE: Final = "The other side says that it is gone."


class NotSet(Exception):
    """The message cannot leave, and trying again would not help."""


def is_awake() -> sa.ColumnElement[bool]:
    """Return the condition that the channel of a message does not rest.

    A rest that ends later than any may is of a clock that has been set back since.
    """
    at = now()
    rests = sa.exists().where(
        TeamChannel.key == OutboxMessage.team_key,
        TeamChannel.rests_until > at,
        TeamChannel.rests_until <= at + LONGEST_REST,
    )
    return ~rests


def as_parcel(row: OutboxMessage, text: str) -> Parcel:
    """Return a message as it is handed over, to the channel as it is set up now; notes its kind.

    Raises:
        NotSet: there is no such channel, it is switched off, or its address cannot be read.
    """
    channel = find_channel(row.team_key or "")
    if channel is None:
        raise NotSet(f"Not sent: no channel {row.to_address} is set up here.")
    row.to_name, row.provider = channel.label, channel.kind
    if not channel.is_on:
        raise NotSet(f"Not sent: {row.to_address} is switched off.")
    try:
        address, secrets = unseal(channel.sealed_address), _secrets_of(channel)
    except Unreadable:
        raise NotSet(f"Not sent: the address of {row.to_address} was sealed under another key.") from None
    about = dict(row.about or {})
    link = str(about.pop("link", None) or "")
    return Parcel(
        channel.kind,
        address,
        secrets,
        TeamMessage(str(row.id), row.subject, text, link, row.created_at, about),
    )


def knows_doubles(row: OutboxMessage) -> bool:
    """Say whether the channel of a message can tell that it has had it already."""
    kind = KINDS.get(row.provider or "")
    return kind is not None and kind.knows_doubles


def note_success(key: str) -> None:
    """Note that the channel took a message."""
    _note(key, last_success_at=now(), rests_until=None)


def note_failure(key: str, why: str, error: Exception | None) -> None:
    """Note that the channel took none; let it rest where trying at once would not help."""
    values: dict[str, object] = {"last_failure_at": now(), "last_failure": why}
    if not getattr(error, "is_final", False):
        asked = error.again_in if isinstance(error, ChannelRefused) else None
        values["rests_until"] = now() + (_REST if asked is None else asked)
    _note(key, **values)
    if isinstance(error, ChannelRefused) and error.is_gone:
        _switch_off(key)


def _secrets_of(channel: TeamChannel) -> tuple[str, ...]:
    if channel.sealed_secret is None:
        return ()
    until = channel.former_secret_until
    former = channel.former_secret if until is not None and until > now() else None
    return tuple(unseal(each) for each in (channel.sealed_secret, former) if each is not None)


def _switch_off(key: str) -> None:
    """Switch a channel off whose other side is gone, and tell the administrators, once."""
    channel = db.session.scalar(
        sa.select(TeamChannel)
        .where(TeamChannel.key == key)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if channel is None or not channel.is_on:
        return
    channel.is_on, channel.off_because = False, _GONE
    record_event(
        "team_channel.switched_off",
        chain=CHAIN,
        actor=SYSTEM,
        data={"team_channel": channel.id, "key": key, "why": _GONE},
    )
    administrators = sa.select(User.id).where(User.role == "admin", User.is_active)
    tell(
        db.session.scalars(administrators).all(),
        title=f"{channel.label} is switched off",
        body=f"{_GONE} Enter another address and switch it on again, or leave it.",
        link=f"/team-channels/{channel.id}",
        cause=f"team-channel-gone/{channel.id}/{now().isoformat()}",
        tone="alert",
    )


def _note(key: str, **values: object) -> None:
    db.session.execute(
        sa.update(TeamChannel)
        .where(TeamChannel.key == key)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
