"""Signed heads: once a day, how every chain ends is signed and kept where the tables' owner cannot reach.

A chain proves that nothing inside it was changed, yet not that its last entries are still there: whoever owns
the tables can cut them off and set the head back, or compute every hash anew. A signed head shows both.

A statement lists the chains that grew since the statement before it, so that the file grows with the work and
not with the number of accounts; `digest` covers the heads of all chains, `previous` the statement before. A
line of the file is JSON: the exact statement, its signature (Ed25519) and the public key, in hexadecimal.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from flask import current_app

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Invalid
from lifecycle.core.locks import AdvisoryLock
from lifecycle.records.evidence.log import canonical_text
from lifecycle.records.evidence.models import EvidenceChain, EvidenceHead
from lifecycle.records.outbox.compose import send_message

FILE = "evidence-heads.jsonl"
FORMAT = 1
NO_KEY = "EVIDENCE_KEY is not set: the heads of the evidence log cannot be signed."
# Above this a mail server may refuse it: then the mail says where the line is kept.
_LONGEST_MAIL = 2_000_000

Head = tuple[int, str]
"""A chain's last entry and its hash, in hexadecimal."""


@dataclass(frozen=True)
class SignedHead:
    """One statement as it was signed. `content` is what it says, {} when it cannot be read."""

    statement: str
    signature: str
    public_key: str

    @property
    def content(self) -> dict[str, Any]:
        try:
            read = json.loads(self.statement)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def digest(self) -> str:
        """What the next statement names as the one before it."""
        return hashlib.sha256(self.statement.encode()).hexdigest()

    @property
    def is_signed(self) -> bool:
        """Whether the signature is that of the statement under its public key."""
        return fits(self.public_key, self.signature, self.statement)

    def as_line(self) -> str:
        """Return the line that is kept outside."""
        return json.dumps(
            {"statement": self.statement, "signature": self.signature, "key": self.public_key},
            ensure_ascii=False,
        )


def fits(public_key: str, signature: str, text: str) -> bool:
    """Say whether a signature, in hexadecimal like the key, is that of `text`; False for what is neither."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key() -> str:
    """Return this installation's public key, in hexadecimal. Raises Invalid when it has none."""
    return _private_key().public_key().public_bytes_raw().hex()


def sign(content: dict[str, Any]) -> SignedHead:
    """Return `content` as a signed statement. Raises Invalid when the installation has no key."""
    text = canonical_text(content)
    return SignedHead(text, _private_key().sign(text.encode()).hex(), public_key())


def heads_file() -> Path:
    """Return where this installation keeps its signed heads outside the database."""
    folder: Path = current_app.extensions["settings"].data_dir
    return folder / FILE


def sign_heads(*, at_most_daily: bool = False) -> SignedHead | None:
    """Sign how every chain ends now; keep it in the table and in the file, and mail it where that is wanted.

    Must not be called inside a transaction. What a dead process signed and did not write into the file is
    written by the next call.

    Args:
        at_most_daily: do nothing, and return None, when one was signed on this day (UTC) already.

    Raises:
        Invalid: there is no key; or the file ends otherwise than the table, so somebody changed one of them.
    """
    with transaction():
        db.session.execute(sa.select(sa.func.pg_advisory_xact_lock(AdvisoryLock.HEADS)))
        kept = kept_heads()
        is_done = at_most_daily and kept and kept[-1].content.get("at", "")[:10] == now().isoformat()[:10]
        made = None if is_done else _sign_next(kept)
    export(heads_file(), [*kept, made] if made else kept)
    return made


def kept_heads() -> list[SignedHead]:
    """Return what was signed, as the table has it, the oldest first."""
    rows = db.session.execute(
        sa.select(EvidenceHead.statement, EvidenceHead.signature, EvidenceHead.public_key).order_by(
            EvidenceHead.number
        )
    )
    return [SignedHead(*row) for row in rows]


def read_heads(lines: Iterable[str]) -> list[SignedHead]:
    """Return the signed heads of a file. Raises Invalid, with the number of the line that is none."""
    heads = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            read = json.loads(line)
            heads.append(SignedHead(str(read["statement"]), str(read["signature"]), str(read["key"])))
        except (ValueError, KeyError, TypeError):
            raise Invalid(
                f"Line {number} of the signed heads cannot be read: the file was changed."
            ) from None
    return heads


def exported_heads() -> list[SignedHead] | None:
    """Return what this installation's file holds, None without a file. Raises Invalid as `read_heads`."""
    try:
        with heads_file().open(errors="replace") as stream:
            # Nobody is in the middle of a line.
            fcntl.flock(stream, fcntl.LOCK_SH)
            return read_heads(stream)
    except FileNotFoundError:
        return None


def export(file: Path, heads: Sequence[SignedHead]) -> None:
    """Add to an append-only file what it lacks of `heads`.

    Raises:
        Invalid: what it holds is not what `heads` begin with. Nothing is written then.
    """
    if not heads and not file.exists():
        return
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        text = stream.read()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            # Its writer was killed; what is cut off here is written again below.
            stream.truncate(len(whole.encode()))
        written = read_heads(whole.splitlines())
        if written != list(heads[: len(written)]):
            raise Invalid(
                f"{file} does not hold what the database says was signed: one of them was changed. "
                "Run `lifecycle evidence verify`."
            )
        stream.writelines(f"{head.as_line()}\n" for head in heads[len(written) :])
        stream.flush()
        os.fsync(stream.fileno())


def total_digest(heads: dict[str, Head]) -> str:
    """Return the digest over the heads of all chains: one line each, sorted by key."""
    lines = "".join(f"{key} {seq} {digest}\n" for key, (seq, digest) in sorted(heads.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def listed(head: SignedHead) -> dict[str, Head]:
    """Return the heads that a statement lists, by the chain's key; {} when it cannot be read."""
    try:
        return {str(key): (int(seq), str(digest)) for key, seq, digest in head.content["heads"]}
    except (KeyError, TypeError, ValueError):
        return {}


def _sign_next(kept: Sequence[SignedHead]) -> SignedHead:
    known: dict[str, Head] = {}
    for earlier in kept:
        known.update(listed(earlier))
    # One statement: the heads are those of one moment.
    rows = db.session.execute(sa.select(EvidenceChain.key, EvidenceChain.head_seq, EvidenceChain.head_hash))
    current = {row.key: (row.head_seq, bytes(row.head_hash).hex()) for row in rows}
    grown = sorted((key, *head) for key, head in current.items() if known.get(key) != head)
    head = sign(
        {
            "format": FORMAT,
            "number": len(kept) + 1,
            "at": now().isoformat(),
            "previous": kept[-1].digest if kept else "",
            "chains": len(current),
            "digest": total_digest({**known, **current}),
            "heads": grown,
        }
    )
    db.session.add(
        EvidenceHead(
            number=len(kept) + 1,
            at=now(),
            statement=head.statement,
            signature=head.signature,
            public_key=head.public_key,
        )
    )
    _mail(head)
    return head


def _mail(head: SignedHead) -> None:
    address = current_app.extensions["settings"].evidence_heads_to
    if address is None:
        return
    line = head.as_line()
    if len(line) > _LONGEST_MAIL:
        line = f"Too long for a mail; it is the last line of {FILE} in the data folder."
    content = head.content
    send_message(
        "evidence.head",
        to_address=address,
        to_name=None,
        subject=f"Signed head {content['number']} of the evidence log",
        text=f"How {content['chains']:,} chains ended on {content['at']}; keep this line, and compare it\n"
        f"by `lifecycle evidence verify --heads FILE`.\n\n{line}\n",
        html=None,
        cause=f"evidence-head/{head.digest}",
    )


def _private_key() -> Ed25519PrivateKey:
    key: bytes | None = current_app.extensions["settings"].evidence_key
    if key is None:
        raise Invalid(NO_KEY)
    return Ed25519PrivateKey.from_private_bytes(key)
