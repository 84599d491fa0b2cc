"""Writing the evidence log: events are gathered during a transaction and chained at its end.

The chain heads are locked last and in sorted order, so that writers wait for each other as briefly as
possible and never for each other's locks.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from lifecycle.core.clock import now
from lifecycle.core.copying import copy_rows
from lifecycle.core.db import among, before_commit, db
from lifecycle.core.ids import new_id
from lifecycle.records.evidence.models import Event, EvidenceChain
from lifecycle.records.people.actor import Actor

_PENDING = "lifecycle.pending_events"
FORMAT = 1
_MANY = 50

# Every change of anything runs these, so they are built once.
_events, _heads = Event.__table__, EvidenceChain.__table__
_INSERT = insert(_events)  # type: ignore[arg-type]
_MOVE_HEAD = (
    update(_heads)  # type: ignore[arg-type]
    .where(_heads.c.id == bindparam("head_id"))
    .values(head_seq=bindparam("head_seq"), head_hash=bindparam("head_hash"))
)
# The usual case in one statement: an event takes its chain's head along. Its values have names that are no
# column's, or the head would be given them too.
_COLUMNS = ("id", "chain_id", "seq", "at", "kind", "actor_id", "account_id", "card_id", "canonical", "hash")
_INSERT_ONE = _INSERT.values({name: bindparam(f"event_{name}") for name in _COLUMNS}).add_cte(
    _MOVE_HEAD.cte("moved_head")
)
_LOCK = (
    select(_heads.c.id, _heads.c.key, _heads.c.head_seq, _heads.c.head_hash)
    .where(among(_heads.c.key, "keys"))
    .order_by(_heads.c.key)
    .with_for_update()
)


@dataclass
class _Pending:
    id: uuid.UUID
    at: datetime
    kind: str
    chain: str
    actor: Actor
    channel: str
    account_id: uuid.UUID | None
    card_id: uuid.UUID | None
    data: dict[str, Any]
    reason: str | None


def record_event(
    kind: str,
    *,
    chain: str,
    actor: Actor,
    channel: str = "system",
    account_id: uuid.UUID | None = None,
    card_id: uuid.UUID | None = None,
    data: dict[str, Any] | None = None,
    reason: str | None = None,
) -> uuid.UUID:
    """Add an event to `chain` when the open transaction commits, and return its id.

    Args:
        kind: source, subject and action, like `card.stage.entered`.
        chain: `users`, `playbooks`, `system`, or an account's chain (see `account_chain`).
        data: before, after and related objects; JSON values, UUID, datetime, date and Decimal allowed.
    """
    pending: list[_Pending] = db.session.info.setdefault(_PENDING, [])
    if not pending:
        before_commit(_append_pending)
    event = _Pending(
        new_id(), now(), kind, chain, actor, channel, account_id, card_id, dict(data or {}), reason
    )
    pending.append(event)
    return event.id


def account_chain(account_id: uuid.UUID) -> str:
    """Return the key of an account's chain."""
    return f"account:{account_id}"


def canonical_text(body: dict[str, Any]) -> str:
    """Return the one text of `body` that is hashed: sorted keys, no spaces, no ASCII escapes."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)


def _append_pending() -> None:
    pending: list[_Pending] = db.session.info.pop(_PENDING, [])
    chains = _locked_chains({event.chain for event in pending})
    rows = []
    for event in pending:
        chain = chains[event.chain]
        body = _body(event, chain)
        canonical = canonical_text(body)
        digest = hashlib.sha256(canonical.encode()).digest()
        rows.append(
            {
                "id": event.id,
                "chain_id": chain.id,
                "seq": chain.seq + 1,
                "at": event.at,
                "kind": event.kind,
                "actor_id": event.actor.user_id,
                "account_id": event.account_id,
                "card_id": event.card_id,
                "canonical": canonical,
                "hash": digest,
            }
        )
        chain.seq += 1
        chain.hash = digest
    heads = [
        {"head_id": chain.id, "head_seq": chain.seq, "head_hash": chain.hash} for chain in chains.values()
    ]
    connection = db.session.connection()
    if len(rows) == 1:
        event_values = {f"event_{name}": rows[0][name] for name in _COLUMNS}
        connection.execute(_INSERT_ONE, {**event_values, **heads[0]})
        return
    if len(rows) < _MANY:
        connection.execute(_INSERT, rows)
    else:
        copy_rows(Event, rows)
    connection.execute(_MOVE_HEAD, heads)


@dataclass
class _Head:
    id: int
    key: str
    seq: int
    hash: bytes


def _locked_chains(keys: set[str]) -> dict[str, _Head]:
    wanted = sorted(keys)
    heads = _lock(wanted)
    missing = [key for key in wanted if key not in heads]
    if missing:
        db.session.execute(
            upsert(EvidenceChain)
            .values([{"key": key, "head_seq": 0, "head_hash": b""} for key in missing])
            .on_conflict_do_nothing()
        )
        heads = _lock(wanted)
    return heads


def _lock(keys: list[str]) -> dict[str, _Head]:
    rows = db.session.connection().execute(_LOCK, {"keys": keys})
    return {row.key: _Head(row.id, row.key, row.head_seq, bytes(row.head_hash)) for row in rows}


def _body(event: _Pending, chain: _Head) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": event.id,
        "chain": chain.key,
        "seq": chain.seq + 1,
        "previous": chain.hash.hex(),
        "at": event.at,
        "kind": event.kind,
        "actor": {"id": event.actor.user_id, "name": event.actor.name, "role": event.actor.role},
        "channel": event.channel,
        "account": event.account_id,
        "card": event.card_id,
        "reason": event.reason,
        "data": event.data,
    }
