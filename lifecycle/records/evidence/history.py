"""Verifications themselves on record: when, by whom, of what, with which outcome."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.records.accounts.models import Account
from lifecycle.records.evidence.log import record_event
from lifecycle.records.evidence.models import Event, EvidenceChain, EvidenceHead
from lifecycle.records.evidence.verify import Fault, Verification
from lifecycle.records.evidence.witness import verify_log
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require

KIND = "evidence.chains.verified"
CHAIN = "system"
# A page answers within seconds; beyond this the command does it.
MOST_ON_A_PAGE = 100_000
_KEPT_FAULTS = 50


@dataclass(frozen=True)
class PastVerification:
    """One verification as it was recorded; `faults` are its first fifty."""

    id: uuid.UUID
    at: datetime
    by: str
    account: str | None
    chains: int
    events: int
    seconds: float
    fault_count: int
    faults: list[Fault]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was wrong."""
        return self.fault_count == 0


def verify_on_record(account_id: uuid.UUID | None, *, actor: Actor, channel: str = "page") -> Verification:
    """Verify every chain, or one account's, and put the outcome on record in the open transaction.

    Raises:
        NotPermitted, NotFound (no such account), Invalid (too much for a page; it names the command).
    """
    require(actor, "evidence.verify")
    account = db.session.get(Account, account_id) if account_id else None
    if account_id is not None and account is None:
        raise NotFound("There is no such account.")
    if account_id is None and count_entries() > MOST_ON_A_PAGE:
        raise Invalid(
            f"The log has more than {MOST_ON_A_PAGE:,} entries, too many for a page. "
            "Run `lifecycle evidence verify` on the server, or verify one account."
        )
    started = time.monotonic()
    found = verify_log(account_id)
    data: dict[str, Any] = {
        "account": account_id,
        "account_name": account.name if account else None,
        "chains": found.chains,
        "events": found.events,
        "seconds": round(time.monotonic() - started, 2),
        "fault_count": found.fault_count,
        "faults": [
            {"chain": fault.chain, "seq": fault.seq, "event": fault.event_id, "what": fault.what}
            for fault in found.faults[:_KEPT_FAULTS]
        ],
    }
    record_event(KIND, chain=CHAIN, actor=actor, channel=channel, data=data)
    return found


def past_verifications(limit: int = 10) -> Sequence[PastVerification]:
    """Return the last verifications, the newest first."""
    system = select(EvidenceChain.id).where(EvidenceChain.key == CHAIN).scalar_subquery()
    rows = db.session.execute(
        select(Event.id, Event.at, Event.body)
        .where(Event.chain_id == system, Event.kind == KIND)
        .order_by(Event.seq.desc())
        .limit(limit)
    )
    return [_past(row.id, row.at, row.body) for row in rows]


def _past(event_id: uuid.UUID, at: datetime, body: dict[str, Any]) -> PastVerification:
    data = body["data"]
    faults = [
        Fault(f["chain"], f["seq"], uuid.UUID(f["event"]) if f["event"] else None, f["what"])
        for f in data["faults"]
    ]
    return PastVerification(
        event_id,
        at,
        body["actor"]["name"],
        data["account_name"],
        data["chains"],
        data["events"],
        data["seconds"],
        data["fault_count"],
        faults,
    )


def latest_head() -> tuple[int, datetime] | None:
    """Return number and time of the last signed head, None when none was signed."""
    row = db.session.execute(
        select(EvidenceHead.number, EvidenceHead.at).order_by(EvidenceHead.number.desc()).limit(1)
    ).first()
    return (row.number, row.at) if row else None


def count_entries() -> int:
    """Return how many entries the log has, as the chains' heads say."""
    return db.session.scalars(select(func.coalesce(func.sum(EvidenceChain.head_seq), 0))).one()


def count_chains() -> int:
    """Return how many chains the log has."""
    return db.session.scalars(select(func.count()).select_from(EvidenceChain)).one()


def account_names(chains: Sequence[str]) -> dict[str, tuple[uuid.UUID, str]]:
    """Return (account id, name) by chain key, for the chains that are accounts'."""
    ids = {}
    for chain in chains:
        key = chain.partition(":")[2]
        try:
            ids[uuid.UUID(key)] = chain
        except ValueError:
            continue
    rows = db.session.execute(select(Account.id, Account.name).where(Account.id.in_(ids)))
    return {ids[row.id]: (row.id, row.name) for row in rows}
