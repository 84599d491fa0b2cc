"""Filling one board with many cards, to see how the product bears them (P5).

They come through the same door as an import: imported visits, evidence, tasks and summaries, each batch a
transaction, no guard set aside. What an interrupted run has put there stays; the next run brings the rest.
An administrator can withdraw a load like any import.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.exchange.demo.crowd import CLOSED_EVERY, Crowd, account_name
from lifecycle.exchange.demo.seed import LOADED, alone, is_demo
from lifecycle.exchange.demo.staff import hire
from lifecycle.exchange.imports.figures import Figures
from lifecycle.exchange.imports.models import CardImport
from lifecycle.governance.moves.backfill import Board, backfill_visits, get_board
from lifecycle.records.accounts.changes import create_account
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.log import record_event
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.people.first_admin import has_no_users
from lifecycle.records.people.models import User

MOST_CARDS = 1_000_000
# A whole number of accounts, so that no account's cards are in two batches.
CARDS_AN_ACCOUNT = 10
BATCH = 200 * CARDS_AN_ACCOUNT
_MARK = "load-"


def load_cards(
    slug: str,
    cards: int,
    *,
    password: str,
    anyway: bool = False,
    tell: Callable[[int, int], object] | None = None,
) -> int:
    """Bring the board to `cards` open cards of a load and a fifth as many closed; return how many came.

    Must not be called inside a transaction. Two at once: the second waits and brings what is missing.

    Args:
        slug: the pipeline, as `<playbook>.<pipeline>`.
        password: of the four log-ins, where nobody works here yet.
        anyway: load where people work, too.
        tell: is called after every batch with the cards that are there and those there are to be.

    Raises:
        Conflict: people work here, and `anyway` was not said.
        Invalid, NotFound: how many, or which board.
    """
    if not 1 <= cards <= MOST_CARDS:
        raise Invalid(f"Say how many cards, from 1 to {MOST_CARDS:,}.")
    board = get_board(slug)
    db.session.rollback()
    with alone():
        _prepare(password, anyway=anyway)
        first, wanted = _loaded(board), cards + cards // CLOSED_EVERY
        load = _Load(board, now())
        for start in range(first, wanted, BATCH):
            end = min(start + BATCH, wanted)
            load.bring(range(start, end))
            if tell is not None:
                tell(end, wanted)
    return max(0, wanted - first)


def _prepare(password: str, *, anyway: bool) -> None:
    if has_no_users():
        with transaction():
            hire(password)
            record_event(LOADED, chain="system", actor=SYSTEM, channel="command")
    elif not (anyway or is_demo()):
        raise Conflict("People work in this installation, so nothing was loaded. Say --anyway to load here.")
    db.session.rollback()


def _loaded(board: Board) -> int:
    """Return the number after the last card that an earlier load brought."""
    number = sa.cast(sa.func.substr(Card.external_id, len(_MARK) + 1), sa.BigInteger)
    is_ours = Card.external_id.regexp_match(f"^{_MARK}[0-9]{{1,9}}$")
    # A case, since a condition beside it would not keep the cast from other identifiers.
    last = sa.func.max(sa.case((is_ours, number)))
    where = (Card.pipeline_id == board.row.id, Card.external_id.is_not(None), Card.withdrawn_at.is_(None))
    found = db.session.scalar(sa.select(last).where(*where))
    db.session.rollback()
    return 0 if found is None else int(found) + 1


@dataclass
class _Load:
    """One run, with the import that its cards belong to."""

    board: Board
    at: datetime
    import_id: int | None = None
    figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        works = (User.is_active, User.password_hash.is_not(None), User.role.in_(("member", "manager")))
        owners = db.session.scalars(sa.select(User.id).where(*works).order_by(User.email)).all()
        if not owners:
            raise Invalid("Nobody here can own a card, so nothing was loaded. Invite a member first.")
        self.crowd = Crowd(self.board, owners, self.at)
        db.session.rollback()

    def bring(self, numbers: range) -> None:
        """Put these cards on the board, with their accounts, in one transaction."""
        with transaction():
            record = self._record()
            accounts: dict[int, uuid.UUID] = {}
            cards = []
            for number in numbers:
                turn = number // CARDS_AN_ACCOUNT
                if turn not in accounts:
                    accounts[turn] = self._found_account(turn)
                cards.append(self.crowd.card(number, f"{_MARK}{number}", accounts[turn]))
            backfill_visits(self.board, cards, actor=SYSTEM, import_id=record.id, at=self.at, clock="entry")
            self._count(record, Counter(card.visits[-1].stage for card in cards), len(accounts))
        db.session.expunge_all()

    def _found_account(self, turn: int) -> uuid.UUID:
        typed = {"name": account_name(turn), "owner_id": str(self.crowd.owner_of_account(turn))}
        return create_account(typed, actor=SYSTEM, channel="import", import_id=self.import_id).id

    def _record(self) -> CardImport:
        if self.import_id is not None:
            return db.session.get_one(CardImport, self.import_id)
        at = now()
        record = CardImport(
            pipeline_id=self.board.row.id,
            file_name="A load of cards",
            state="done",
            started_at=at,
            seen_at=at,
            finished_at=at,
        )
        db.session.add(record)
        db.session.flush()
        self.import_id = record.id
        return record

    def _count(self, record: CardImport, created: Counter[str], accounts: int) -> None:
        self.figures.created += created
        self.figures.rows = self.figures.created.total()
        self.figures.new_accounts += accounts
        record.rows_total = record.rows_done = self.figures.rows
        record.summary = self.figures.as_dict(self.board.definition, {})
        record.seen_at = record.finished_at = now()
