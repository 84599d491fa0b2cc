"""Reading the books on one snapshot, so that work that goes on meanwhile cannot look broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.governance.language.model import RuleDef
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.rules.actions import NotifyParams
from lifecycle.insight.books.statements import BOOKS, Book
from lifecycle.records.cards.models import GateReport
from lifecycle.records.evidence.verify import verify_chains

GRACE: Final = timedelta(minutes=10)
"""What is due for longer than this has been forgotten: the sweepers look every few seconds."""
MOST_SHOWN: Final = 20
_ENTERED: Final = "card.stage.entered"


@dataclass(frozen=True)
class Page:
    """What one book says: how many rows it is about, how many break it, and the first of those."""

    promise: str
    name: str
    looked_at: int
    broken: int
    examples: tuple[str, ...] = ()


def read_everything() -> list[Page]:
    """Return every page, the evidence chains last, as of one moment; writes nothing.

    Must be the first thing its session does, since the moment is the transaction's.
    """
    connection = db.session.connection(
        execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    )
    # A table of years may take longer than a page may.
    connection.execute(sa.text("set local statement_timeout = 0"))
    try:
        return [*read_books(connection, list(owed_by_moves())), _evidence()]
    finally:
        db.session.rollback()


def read_books(connection: sa.Connection, owed: list[dict[str, Any]]) -> list[Page]:
    """Return a page for each book. `owed` is what `owed_by_moves` found."""
    known = {"now": now(), "grace": GRACE, "owed": json.dumps(owed)}
    return [_read(connection, book, known) for book in BOOKS]


def owed_by_moves() -> Iterator[dict[str, Any]]:
    """Yield what each revision owes for a move: rules without a condition, and which actions mail."""
    for revision_id in db.session.scalars(sa.select(GateReport.revision_id).distinct()).all():
        for rule in of_revision(revision_id).rules_on(_ENTERED):
            if rule.when is None:
                yield {
                    "revision": str(revision_id),
                    "rule": rule.key,
                    "pipelines": rule.trigger.pipelines,
                    "stages": rule.trigger.stages,
                    "mails": list(_mails(rule)),
                }


def _mails(rule: RuleDef) -> Iterator[int]:
    for place, action in enumerate(rule.actions):
        if isinstance(action.params, NotifyParams) and action.params.message and action.when is None:
            yield place


def _read(connection: sa.Connection, book: Book, known: dict[str, Any]) -> Page:
    looked_at = connection.scalar(sa.text(f"select count(*) from {book.of}")) or 0  # noqa: S608 - our own words
    query = sa.text(
        "select count(*), (array_agg(what order by what))[1:20] "  # noqa: S608 - our own words
        f"from ({book.broken}) as found"
    )
    wanted = {name: value for name, value in known.items() if f":{name}" in book.broken}
    broken, examples = connection.execute(query, wanted).one()
    return Page(book.promise, book.name, looked_at, broken, tuple(examples or ()))


def _evidence() -> Page:
    found = verify_chains()
    examples = tuple(f"{fault.chain}, entry {fault.seq}: {fault.what}" for fault in found.faults[:MOST_SHOWN])
    return Page("evidence", "every chain verifies", found.events, found.fault_count, examples)
