"""What administrators do about channels. Every change is on record; addresses and secrets never are."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.sealing import seal
from lifecycle.core.text import one_line
from lifecycle.records.evidence.log import record_event
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require
from lifecycle.records.team_channels.addresses import clean_address, shown
from lifecycle.records.team_channels.models import KEY_FORM, KINDS, TeamChannel, is_channel_key
from lifecycle.records.team_channels.queries import get_channel
from lifecycle.records.team_channels.signing import new_secret

CHAIN: Final = "team_channels"
PERMISSION: Final = "channels.manage"
LONGEST_NAME: Final = 100
BOTH_SIGN_FOR: Final = timedelta(days=1)


def create_channel(
    *, key: str, name: str, kind: str, address: str, actor: Actor, channel: str = "page"
) -> tuple[TeamChannel, str | None]:
    """Set a channel up, and return it with its secret if messages to it are signed.

    Raises:
        NotPermitted; Invalid: a field cannot be taken, or the key is in use.
    """
    require(actor, PERMISSION)
    if kind not in KINDS:
        raise _invalid("kind", f"Choose one of {', '.join(KINDS.values())}.")
    address = clean_address(address)
    secret = new_secret() if kind == "webhook" else None
    made = TeamChannel(
        key=_free_key(key),
        name=_clean_name(name),
        kind=kind,
        sealed_address=seal(address),
        shown_address=shown(address),
        sealed_secret=seal(secret) if secret else None,
    )
    db.session.add(made)
    db.session.flush()
    after = {"kind": kind, "name": made.name, "address": made.shown_address}
    _record("team_channel.created", made, actor, channel, after=after)
    return made, secret


def rename_channel(channel_id: uuid.UUID, *, name: str, actor: Actor) -> TeamChannel:
    """Give a channel another name; its key stays, since playbooks know it by that.

    Raises:
        NotPermitted, NotFound; Invalid: it cannot be taken.
    """
    found = _to_change(channel_id, actor)
    before, found.name = found.name, _clean_name(name)
    if found.name != before:
        _record("team_channel.renamed", found, actor, before=before, after=found.name)
    return found


def replace_address(channel_id: uuid.UUID, *, address: str, actor: Actor) -> TeamChannel:
    """Let a channel's messages go elsewhere from now on; what waits goes there too.

    Raises:
        NotPermitted, NotFound; Invalid: it cannot be taken.
    """
    found = _to_change(channel_id, actor)
    cleaned = clean_address(address)
    before = found.shown_address
    found.sealed_address, found.shown_address = seal(cleaned), shown(cleaned)
    found.rests_until = None
    _record("team_channel.address_replaced", found, actor, before=before, after=found.shown_address)
    return found


def rotate_secret(channel_id: uuid.UUID, *, actor: Actor) -> tuple[TeamChannel, str]:
    """Make a new secret and return it; for a day messages carry a signature of the former one as well.

    Raises:
        NotPermitted, NotFound; Conflict: messages to it are not signed.
    """
    found = _to_change(channel_id, actor)
    if found.sealed_secret is None:
        raise Conflict("Messages to this channel are not signed. Nothing was changed.")
    secret = new_secret()
    found.former_secret, found.former_secret_until = found.sealed_secret, now() + BOTH_SIGN_FOR
    found.sealed_secret = seal(secret)
    _record("team_channel.secret_replaced", found, actor)
    return found, secret


def switch_off(channel_id: uuid.UUID, *, actor: Actor) -> TeamChannel:
    """Send nothing to a channel any more; what is meant for it is recorded as not sent.

    Raises:
        NotPermitted, NotFound.
    """
    found = _to_change(channel_id, actor)
    if found.is_on:
        found.is_on, found.off_because = False, f"{actor.name} switched it off."
        _record("team_channel.switched_off", found, actor)
    return found


def switch_on(channel_id: uuid.UUID, *, actor: Actor) -> TeamChannel:
    """Send to a channel again.

    Raises:
        NotPermitted, NotFound.
    """
    found = _to_change(channel_id, actor)
    if not found.is_on:
        found.is_on, found.off_because, found.rests_until = True, None, None
        _record("team_channel.switched_on", found, actor)
    return found


def clean_key(text: str) -> str:
    """Return a channel's key.

    Raises:
        Invalid: it could not stand in a playbook; the error stands at `key`.
    """
    key = text.strip().removeprefix("#")
    if not is_channel_key(key):
        raise _invalid("key", f"Use {KEY_FORM}.")
    return key


def _free_key(text: str) -> str:
    key = clean_key(text)
    if db.session.scalar(sa.select(sa.exists().where(TeamChannel.key == key))):
        raise _invalid("key", f"There is a channel #{key} already.")
    return key


def _clean_name(text: str) -> str:
    name = one_line(text)
    if not 0 < len(name) <= LONGEST_NAME:
        raise _invalid("name", f"Enter a name of at most {LONGEST_NAME} characters.")
    return name


def _invalid(field: str, sentence: str) -> Invalid:
    return Invalid(sentence, {field: sentence})


def _to_change(channel_id: uuid.UUID, actor: Actor) -> TeamChannel:
    require(actor, PERMISSION)
    return get_channel(channel_id, to_change=True)


def _record(event: str, found: TeamChannel, actor: Actor, channel: str = "page", **data: Any) -> None:
    told = {"team_channel": found.id, "key": found.key, **data}
    record_event(event, chain=CHAIN, actor=actor, channel=channel, data=told)
