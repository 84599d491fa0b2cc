"""Verifying the evidence log: every chain recomputed from its entries, in one pass and little memory.

What is found is located: the chain, the entry's number, and what is wrong with it. What a chain cannot show
by itself, that its last entries were cut off or all its hashes computed anew, is found by `witness.py`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, exists, select

from lifecycle.core.db import db
from lifecycle.records.evidence.log import account_chain
from lifecycle.records.evidence.models import Event, EvidenceChain

# More would say nothing new and would fill the memory.
MOST_FAULTS = 1000
_BATCH = 200


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: in which chain, at which entry (None: the chain as a whole), and what."""

    chain: str
    seq: int | None
    event_id: uuid.UUID | None
    what: str


@dataclass
class Verification:
    """What was read and what is wrong; `faults` holds the first thousand of `fault_count`."""

    chains: int = 0
    events: int = 0
    fault_count: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault_count == 0

    def add(self, chain: str, seq: int | None, event_id: uuid.UUID | None, what: str) -> None:
        """Keep a fault, or only count it when there are too many."""
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(chain, seq, event_id, what))


def verify_chains(account_id: uuid.UUID | None = None) -> Verification:
    """Recompute every chain, or one account's, and return what is wrong.

    Entries are streamed in one statement, so that writers may go on: heads and entries are of one moment.
    """
    found = Verification()
    current: _Chain | None = None
    for row in _stream(_entries(account_id)):
        if current is None or current.key != row.key:
            if current is not None:
                current.end()
            current = _Chain(row.key, row.head_seq, bytes(row.head_hash), found)
            found.chains += 1
        if row.id is not None:
            found.events += 1
            current.check(row)
    if current is not None:
        current.end()
    _find_headless(account_id, found)
    return found


def _entries(account_id: uuid.UUID | None) -> Select[*tuple[Any, ...]]:
    query: Select[*tuple[Any, ...]] = (
        select(
            EvidenceChain.key,
            EvidenceChain.head_seq,
            EvidenceChain.head_hash,
            Event.id,
            Event.seq,
            Event.at,
            Event.kind,
            Event.actor_id,
            Event.account_id,
            Event.card_id,
            Event.canonical,
            Event.body,
            Event.hash,
        )
        .outerjoin(Event, Event.chain_id == EvidenceChain.id)
        .order_by(EvidenceChain.id, Event.seq)
    )
    if account_id is not None:
        query = query.where(EvidenceChain.key == account_chain(account_id))
    return query


def _find_headless(account_id: uuid.UUID | None, found: Verification) -> None:
    """An entry whose chain is gone, which foreign keys prevent unless somebody turned them off."""
    query: Select[*tuple[Any, ...]] = select(
        Event.id, Event.seq, Event.body["chain"].as_string().label("key")
    ).where(~exists().where(EvidenceChain.id == Event.chain_id))
    if account_id is not None:
        query = query.where(Event.account_id == account_id)
    for row in _stream(query):
        found.events += 1
        found.add(row.key or "unknown", row.seq, row.id, "the chain it belongs to was removed")


def _stream(query: Select[*tuple[Any, ...]]) -> Iterator[Row[*tuple[Any, ...]]]:
    # An option of the statement: set on the connection, it would outlive this in the session.
    result = db.session.execute(query, execution_options={"yield_per": _BATCH})
    try:
        yield from result
    finally:
        result.close()


class _Chain:
    """One chain while its entries pass in order."""

    def __init__(self, key: str, head_seq: int, head_hash: bytes, found: Verification) -> None:
        self.key = key
        self._head_seq = head_seq
        self._head_hash = head_hash
        self._found = found
        self._seq = 0
        self._hash = b""

    def check(self, row: Row[*tuple[Any, ...]]) -> None:
        """Compare one entry with itself, with the one before it and with the head."""
        for what in self._wrong(row):
            self._found.add(self.key, row.seq, row.id, what)
        self._seq = row.seq
        self._hash = bytes(row.hash)

    def end(self) -> None:
        """Compare the head with the last entry."""
        if self._seq < self._head_seq:
            self._found.add(
                self.key, self._seq + 1, None, _missing(self._seq + 1, self._head_seq, at_end=True)
            )
        elif self._seq == self._head_seq and self._hash != self._head_hash:
            self._found.add(
                self.key, self._seq or None, None, "the chain's head does not carry the last entry's hash"
            )

    def _wrong(self, row: Row[*tuple[Any, ...]]) -> Iterator[str]:
        if hashlib.sha256(row.canonical.encode()).digest() != bytes(row.hash):
            yield "its text was changed: it no longer gives the hash it was stored with"
        body = _body(row.canonical)
        if body is None:
            yield "its text cannot be read"
            return
        if body != row.body:
            yield "its searchable copy says something else than its text"
        yield from _differing_columns(row, body)
        if body.get("chain") != self.key:
            yield f"it was written for the chain {body.get('chain')}"
        if body.get("seq") != row.seq:
            yield f"it was written as entry {body.get('seq')} of its chain"
        if row.seq > self._seq + 1:
            yield _missing(self._seq + 1, row.seq - 1)
        elif body.get("previous") != self._hash.hex():
            yield (
                f"it does not follow from entry {self._seq}: one of the two was changed or put in"
                if self._seq
                else "it does not begin its chain: something stood before it"
            )
        if row.seq > self._head_seq:
            yield f"it lies beyond the chain's head, which is entry {self._head_seq}"


def _body(canonical: str) -> dict[str, Any] | None:
    try:
        body = json.loads(canonical)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _differing_columns(row: Row[*tuple[Any, ...]], body: dict[str, Any]) -> Iterator[str]:
    actor = body.get("actor")
    told = {
        "id": body.get("id"),
        "time": body.get("at"),
        "kind": body.get("kind"),
        "actor": actor.get("id") if isinstance(actor, dict) else None,
        "account": body.get("account"),
        "card": body.get("card"),
    }
    kept = {
        "id": _text(row.id),
        "time": row.at.astimezone(UTC).isoformat(),
        "kind": row.kind,
        "actor": _text(row.actor_id),
        "account": _text(row.account_id),
        "card": _text(row.card_id),
    }
    for name, value in told.items():
        if kept[name] != value:
            yield f"its {name} was changed: its column says {kept[name]}, its text {value}"


def _text(value: uuid.UUID | datetime | None) -> str | None:
    return None if value is None else str(value)


def _missing(first: int, last: int, *, at_end: bool = False) -> str:
    entries = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    return f"{entries} missing{' at the end' if at_end else ' before it'}"
