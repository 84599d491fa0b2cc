"""Changing the evidence log behind the application's back, as the tables' owner can."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.installation import Addresses


@contextmanager
def tampering(services: Addresses) -> Iterator[psycopg.Connection]:
    """A connection of the owner with every guard of the log taken down, put up again at the end."""
    with psycopg.connect(services.owner) as owner:
        owner.execute("alter table events disable trigger user")
        owner.execute("alter table events drop constraint ck_events_hash_of_canonical")
        owner.execute("alter table events drop constraint fk_events_chain_id")
        yield owner
        owner.execute("alter table events enable trigger user")
        owner.execute(
            "alter table events add constraint ck_events_hash_of_canonical "
            "check (hash = sha256(convert_to(canonical, 'UTF8'))) not valid"
        )
        owner.execute(
            "alter table events add constraint fk_events_chain_id "
            "foreign key (chain_id) references evidence_chains (id) not valid"
        )


def body_of(owner: psycopg.Connection, chain: str, seq: int) -> dict[str, Any]:
    """What one entry says."""
    row = owner.execute(
        "select canonical from events e join evidence_chains c on c.id = e.chain_id "
        "where c.key = %s and e.seq = %s",
        (chain, seq),
    ).fetchone()
    assert row is not None
    found: dict[str, Any] = json.loads(row[0])
    return found


def rewrite(
    owner: psycopg.Connection, chain: str, seq: int, body: dict[str, Any], *, rehash: bool = True
) -> bytes:
    """Write another text into an entry, with the hash that belongs to it unless told otherwise."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).digest()
    owner.execute(
        "update events e set canonical = %(text)s, hash = case when %(rehash)s then %(digest)s else hash end "
        "from evidence_chains c where c.id = e.chain_id and c.key = %(chain)s and e.seq = %(seq)s",
        {"text": text, "digest": digest, "rehash": rehash, "chain": chain, "seq": seq},
    )
    return digest
