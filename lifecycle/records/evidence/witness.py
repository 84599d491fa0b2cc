"""Comparing the log with its signed heads, which whoever owns the tables cannot sign again.

Found and located are: entries cut off at the end of a chain together with its head, a whole chain that is
gone, a chain whose hashes were all computed anew, and a head that was changed, removed or signed by another.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.dialects import postgresql

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid
from lifecycle.records.evidence.heads import (
    NO_KEY,
    Head,
    SignedHead,
    exported_heads,
    kept_heads,
    listed,
    public_key,
    total_digest,
)
from lifecycle.records.evidence.log import account_chain
from lifecycle.records.evidence.models import Event, EvidenceChain
from lifecycle.records.evidence.verify import Verification, verify_chains

HEADS = "signed heads"
"""Stands for a chain's name where a signed head itself is wrong."""
_BATCH = 1000


@dataclass(frozen=True)
class _Signed:
    """That a chain's entry `seq` had this hash when it was signed."""

    seq: int
    hash: str
    on: str


def verify_log(
    account_id: uuid.UUID | None = None,
    *,
    heads: Sequence[SignedHead] | None = None,
    trusted: Collection[str] = (),
) -> Verification:
    """Recompute every chain, or one account's, and compare it with what was signed.

    Args:
        heads: what was signed; by default what this installation's own file holds. What the table holds
            beyond is compared too.
        trusted: public keys, in hexadecimal, besides this installation's own.

    Raises:
        Invalid: there is something signed, and no key says whose signature it must be.
    """
    found = verify_chains(account_id)
    try:
        given = exported_heads() or [] if heads is None else heads
    except Invalid as refusal:
        found.add(HEADS, None, None, refusal.sentence.rstrip("."))
        given = []
    _compare(found, given, kept_heads(), _keys(trusted), account_id)
    return found


def _keys(trusted: Collection[str]) -> set[str]:
    own = current_app.extensions["settings"].evidence_key
    return {key.lower() for key in trusted} | ({public_key()} if own else set())


def _compare(
    found: Verification,
    given: Sequence[SignedHead],
    kept: Sequence[SignedHead],
    trusted: set[str],
    account_id: uuid.UUID | None,
) -> None:
    if not given and not kept:
        return
    if not trusted:
        raise Invalid(f"{NO_KEY} Name the public key to trust, or set it.")
    for head in given:
        number = _number(head)
        if number is not None and not (0 < number <= len(kept) and kept[number - 1] == head):
            found.add(HEADS, number, None, "the database does not hold it as it was signed")
    last = max((_number(head) or 0 for head in given), default=0)
    honest = _honest(found, [*given, *kept[last:]], trusted)
    signed: dict[str, list[_Signed]] = defaultdict(list)
    only = account_chain(account_id) if account_id is not None else None
    for head in honest:
        for key, (seq, digest) in listed(head).items():
            if only in (None, key):
                signed[key].append(_Signed(seq, digest, str(head.content["at"])[:16].replace("T", " ")))
    _compare_chains(found, signed)


def _honest(found: Verification, heads: Iterable[SignedHead], trusted: set[str]) -> Iterator[SignedHead]:
    """Yield the heads that one of the trusted keys signed, and say what is wrong with them or their order."""
    known: dict[str, Head] = {}
    before: SignedHead | None = None
    is_whole = True
    for head in heads:
        number = _number(head)
        if not head.is_signed:
            found.add(HEADS, number, None, "its signature does not fit: it was changed after it was signed")
            is_whole = False
            continue
        if head.public_key.lower() not in trusted:
            found.add(HEADS, number, None, f"it was signed by another key, {head.public_key}")
            is_whole = False
            continue
        expected = (_number(before) or 0) + 1 if before else number
        if number != expected or (before and head.content.get("previous") != before.digest):
            found.add(HEADS, number, None, "it does not follow from the one before it: one was taken out")
            is_whole = False
        # A copy that begins later than the first is no fault; its digest covers chains it does not list.
        is_whole = is_whole and (before is not None or number == 1)
        known.update(listed(head))
        if is_whole and head.content.get("digest") != total_digest(known):
            found.add(HEADS, number, None, "its digest is not that of the heads")
        before = head
        yield head


def _compare_chains(found: Verification, signed: dict[str, list[_Signed]]) -> None:
    wanted = [(key, each.seq) for key, all_of_it in signed.items() for each in all_of_it]
    hashes = _hashes(wanted)
    broken = {}
    for key, all_of_it in signed.items():
        trusted_to = 0
        for each in sorted(all_of_it, key=lambda one: one.seq):
            if hashes.get((key, each.seq)) != each.hash:
                broken[key] = (trusted_to, each)
                break
            trusted_to = each.seq
    lengths = _lengths(broken)
    for key, (trusted_to, each) in broken.items():
        length = lengths.get(key, 0)
        if length == 0:
            found.add(key, 1, None, f"the whole chain is gone: on {each.on} it had {each.seq:,} entries")
        elif length < each.seq:
            what = _entries(length + 1, each.seq)
            found.add(key, length + 1, None, f"{what} cut off: on {each.on} entry {each.seq} was signed")
        else:
            what = _entries(trusted_to + 1, each.seq)
            found.add(
                key,
                trusted_to + 1,
                None,
                f"{what} written anew or missing: entry {each.seq} is not the one signed on {each.on}",
            )


def _hashes(wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Return the hashes that the entries named by chain and number have now."""
    found = {}
    texts, numbers = postgresql.ARRAY(sa.Text()), postgresql.ARRAY(sa.BigInteger())
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        arrays = sa.func.unnest(
            sa.cast([key for key, _ in batch], texts), sa.cast([seq for _, seq in batch], numbers)
        )
        asked = arrays.table_valued("key", "seq", name="asked").render_derived()
        rows = db.session.execute(
            sa.select(EvidenceChain.key, Event.seq, Event.hash)
            .select_from(asked)
            .join(EvidenceChain, EvidenceChain.key == asked.c.key)
            .join(Event, (Event.chain_id == EvidenceChain.id) & (Event.seq == asked.c.seq))
        )
        found.update({(row.key, row.seq): bytes(row.hash).hex() for row in rows})
    return found


def _lengths(keys: Collection[str]) -> dict[str, int]:
    """Return the number of the last entry, by chain, of those that have one."""
    rows = db.session.execute(
        sa.select(EvidenceChain.key, sa.func.max(Event.seq))
        .join(Event, Event.chain_id == EvidenceChain.id)
        .where(EvidenceChain.key.in_(keys))
        .group_by(EvidenceChain.key)
    )
    return {key: last for key, last in rows}  # noqa: C416 - mypy cannot read a row as a pair


def _number(head: SignedHead | None) -> int | None:
    number = head.content.get("number") if head else None
    return number if isinstance(number, int) else None


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
