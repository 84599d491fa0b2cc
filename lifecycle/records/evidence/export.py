"""An account's evidence with its proofs, for somebody who trusts neither us nor our database (E16).

Lines of JSON: first what it is, then each entry as its exact text and hash, last the head, signed now.
`docs/operations.md` shows the few lines that verify it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.records.accounts.models import Account
from lifecycle.records.evidence.heads import FORMAT, public_key, sign
from lifecycle.records.evidence.log import account_chain
from lifecycle.records.evidence.models import Event, EvidenceChain
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require

_BATCH = 200


def export_evidence(account_id: uuid.UUID, *, actor: Actor) -> Iterator[str]:
    """Return the lines of an account's export; entries are read as the lines are taken.

    The signed head names this chain alone: who reads it learns nothing of other accounts.

    Raises:
        NotPermitted, NotFound, Invalid (no key to sign with): at once, before the first line is taken.
    """
    require(actor, "evidence.verify")
    account = db.session.get(Account, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    first = {
        "account": account_id,
        "name": account.name,
        "exported_at": now().isoformat(),
        "key": public_key(),
    }
    return _lines(account_chain(account_id), json.dumps(first, default=str, ensure_ascii=False))


def _lines(chain: str, first: str) -> Iterator[str]:
    yield first + "\n"
    seq, digest = 0, ""
    entries = db.session.execute(
        sa.select(Event.seq, Event.canonical, Event.hash)
        .join(EvidenceChain, EvidenceChain.id == Event.chain_id)
        .where(EvidenceChain.key == chain)
        .order_by(Event.seq),
        execution_options={"yield_per": _BATCH},
    )
    for row in entries:
        seq, digest = row.seq, bytes(row.hash).hex()
        yield json.dumps({"seq": seq, "text": row.canonical, "hash": digest}, ensure_ascii=False) + "\n"
    head = {"format": FORMAT, "at": now().isoformat(), "chain": chain, "seq": seq, "hash": digest}
    yield sign(head).as_line() + "\n"
