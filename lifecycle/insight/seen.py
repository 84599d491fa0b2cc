"""What somebody saw lately: named again from the marks that their browser kept."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.records.accounts.models import Account
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import can
from lifecycle.records.playbooks.models import Pipeline, Stage

MOST_SEEN = 10


@dataclass(frozen=True)
class Seen:
    """A card or an account that was opened; `note` says where it stands."""

    kind: str
    name: str
    url: str
    of: str = ""
    note: str = ""


def recently_seen(marks: Sequence[str], actor: Actor) -> list[Seen]:
    """Return what marks like `card:<id>` and `account:<id>` name, in their order. At most two queries.

    What is no mark, is gone, or is not the actor's to read is left out.
    """
    wanted = list(dict.fromkeys(_read(marks[: 2 * MOST_SEEN])))[:MOST_SEEN]
    found: dict[tuple[str, uuid.UUID], Seen] = {}
    cards = [seen_id for kind, seen_id in wanted if kind == "card"]
    accounts = [seen_id for kind, seen_id in wanted if kind == "account"]
    if cards and can(actor, "boards.read"):
        found.update(_cards(cards))
    if accounts and can(actor, "accounts.read"):
        found.update(_accounts(accounts))
    return [found[mark] for mark in wanted if mark in found]


def _read(marks: Sequence[str]) -> Iterator[tuple[str, uuid.UUID]]:
    for mark in marks:
        kind, _, text = mark.partition(":")
        try:
            yield kind, uuid.UUID(text)
        except ValueError:
            continue


def _cards(ids: Sequence[uuid.UUID]) -> dict[tuple[str, uuid.UUID], Seen]:
    rows = db.session.execute(
        select(Card.id, Card.title, Account.name, Pipeline.name, Stage.name, Card.archived_at)
        .join(Account, Account.id == Card.account_id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(Card.id.in_(ids), Card.withdrawn_at.is_(None))
    )
    return {
        ("card", card_id): Seen(
            "card", title, f"/cards/{card_id}", account, "Archived" if archived else f"{board}, {stage}"
        )
        for card_id, title, account, board, stage, archived in rows
    }


def _accounts(ids: Sequence[uuid.UUID]) -> dict[tuple[str, uuid.UUID], Seen]:
    rows = db.session.execute(
        select(Account.id, Account.name, Account.archived_at).where(Account.id.in_(ids))
    )
    return {
        ("account", account_id): Seen(
            "account", name, f"/accounts/{account_id}", note="Archived" if archived else "Account"
        )
        for account_id, name, archived in rows
    }
