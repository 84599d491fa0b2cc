"""Seeding the demo: once, into an empty installation, and to the end even if it was interrupted.

Each account and each card is one transaction of its own. What an interrupted run has told stays; the next
run tells the rest. A mark in the evidence log says that it began, another that it is complete.
"""

from __future__ import annotations

import gc
import os
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from functools import partial
from threading import Thread

import sqlalchemy as sa
from sqlalchemy import exists, select

from lifecycle.core.clock import now, pretending
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict
from lifecycle.core.locks import AdvisoryLock
from lifecycle.exchange.demo.channels import open_channels, try_channels
from lifecycle.exchange.demo.histories import handed_over, plan_parts, tell_part, unread_is_old
from lifecycle.exchange.demo.places import (
    POSITIONS,
    Provider,
    language_of,
    person_name,
    phone_number,
    providers,
)
from lifecycle.exchange.demo.plan import Story, make_plan
from lifecycle.exchange.demo.scene import Scene, Stage, email_of
from lifecycle.exchange.demo.staff import OWNERS, gather, hire
from lifecycle.exchange.demo.tell import PIPELINE, Teller
from lifecycle.exchange.demo.times import OfficeHours
from lifecycle.governance.cards.summary import refresh_summaries
from lifecycle.governance.playbooks.library import current
from lifecycle.records.accounts.changes import create_account
from lifecycle.records.accounts.contacts import create_contact
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.cards.models import Card
from lifecycle.records.evidence.log import record_event
from lifecycle.records.evidence.models import Event
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.first_admin import has_no_users
from lifecycle.records.playbooks.models import Pipeline
from lifecycle.records.playbooks.models import Stage as StageRow

_STARTED, _COMPLETED = "demo.data.started", "demo.data.completed"
LOADED = "demo.load.started"
_YEAR = timedelta(days=400)
_AT_A_TIME = 2
_COLLECTS_AFTER = 40


class Seeding(Enum):
    """What became of it."""

    SEEDED = "The demo is seeded."
    THERE_ALREADY = "The demo is there already."


def seed_demo(password: str) -> Seeding:
    """Seed the demo, or what an interrupted seeding left to do. Must not be called inside a transaction.

    Two at once: the second waits and finds it done.

    Args:
        password: of the four log-ins.

    Raises:
        Conflict: somebody uses this installation, so there is no place for a demo.
        NotFound: the playbook is not published.
        Invalid: the password cannot be one.
    """
    with alone():
        return _seed(password)


@contextmanager
def alone() -> Iterator[None]:
    """Be the only one who makes demo data; whoever else wants to waits."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as holder:
        holder.execute(sa.text("select pg_advisory_lock(:key)"), {"key": AdvisoryLock.DEMO})
        try:
            yield
        finally:
            holder.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": AdvisoryLock.DEMO})


def is_demo() -> bool:
    """Say whether the people of this installation are those of the demo or of a load."""
    return _has_event(_STARTED) or _has_event(LOADED)


def is_wanted() -> bool:
    """Say whether the installation is empty, or its demo only half there."""
    return not _has_event(_COMPLETED) and (has_no_users() or _has_event(_STARTED))


def _seed(password: str) -> Seeding:
    if _has_event(_COMPLETED):
        return Seeding.THERE_ALREADY
    if not _has_event(_STARTED):
        if not has_no_users():
            raise Conflict("People work in this installation already; the demo is only for an empty one.")
        with transaction(), pretending(now() - _YEAR):
            hire(password)
            open_channels()
            record_event(_STARTED, chain="system", actor=SYSTEM, channel="command")
    db.session.rollback()
    at = now().replace(microsecond=0)
    office = _office()
    everyone = providers()
    stories = make_plan(at, office, everyone)
    parts = plan_parts(at)
    stage = Stage(office, gather(), at)
    tells = [partial(_tell_provider, stage, provider, stories) for provider in everyone]
    tells += [partial(tell_part, part, office, at) for part in parts]
    _tell_all(tells)
    for phase in handed_over(office, at):
        _tell_all(phase)
    with transaction():
        unread_is_old(at)
        refresh_summaries(_open_card_ids())
        try_channels()
        record_event(
            _COMPLETED,
            chain="system",
            actor=SYSTEM,
            channel="command",
            data={"cards": len(stories) + len(parts)},
        )
    return Seeding.SEEDED


def _tell_all(tells: Sequence[Callable[[], None]]) -> None:
    """Tell stories in a few processes at once: what two customers' stories write never meets."""
    db.session.remove()
    gc.collect()
    # Closed by the end of this process, however it ends; so nobody goes on telling what nobody waits for.
    lives, is_alive = os.pipe()
    tellers = [_begin_telling(tells[share::_AT_A_TIME], lives, is_alive) for share in range(_AT_A_TIME)]
    ended = [os.waitpid(teller, 0)[1] for teller in tellers]
    os.close(lives)
    os.close(is_alive)
    if any(ended):
        raise RuntimeError("A part of the demo could not be told; its traceback is above.")


def _begin_telling(tells: Sequence[Callable[[], None]], lives: int, is_alive: int) -> int:
    teller = os.fork()
    if teller:
        return teller
    try:
        os.close(is_alive)
        Thread(target=_end_with_parent, args=(lives,), daemon=True).start()
        # The parent's connections are the parent's: they are forgotten here, not closed.
        db.engine.dispose(close=False)
        # Looking for unreachable cycles at every turn takes a third of the time.
        gc.disable()
        for number, tell in enumerate(tells):
            tell()
            if number % _COLLECTS_AFTER == 0:
                gc.collect()
    except BaseException:  # noqa: BLE001 - whatever it was, the child must not go on as its parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _end_with_parent(lives: int) -> None:
    os.read(lives, 1)
    os._exit(1)


def _tell_provider(stage: Stage, provider: Provider, stories: Sequence[Story]) -> None:
    own = [story for story in stories if story.provider == provider]
    _found_account(stage, provider, own)
    for story in own:
        _tell(stage, story)


def _has_event(kind: str) -> bool:
    return bool(db.session.scalar(select(exists().where(Event.kind == kind))))


def _office() -> OfficeHours:
    playbook = current(PIPELINE)
    calendar = playbook.calendar_of(playbook.pipeline(PIPELINE.partition(".")[2]).first_stage)
    assert calendar is not None, "the first stage has a deadline in business time"
    return OfficeHours(calendar)


# --- accounts ---


def _found_account(stage: Stage, provider: Provider, own: Sequence[Story]) -> None:
    if _account_of(provider) is not None:
        return
    number = _number_of(provider)
    first = own[0].begins[0] if own else stage.at - timedelta(days=30)
    owner = stage.staff[OWNERS[number % len(OWNERS)]]
    with transaction(), pretending(stage.office.before(first, 0.4)):
        account = create_account(
            {
                "name": provider.name,
                "country": provider.country if number % 3 else "",
                "website": f"https://{provider.domain}.example",
                "phone": phone_number(provider.country, number),
                "owner_id": owner.user_id,
                "notes": f"{provider.size} subscribers around {provider.city}." if number % 4 else "",
            },
            actor=owner,
        )
        for turn in range(max(len(own), 1 + number % 2)):
            _add_contact(account.id, provider, number, turn, owner)


def _add_contact(account_id: uuid.UUID, provider: Provider, number: int, turn: int, owner: Actor) -> None:
    name = person_name(provider.country, number * 2 + turn)
    create_contact(
        account_id,
        {
            "name": name,
            "title": POSITIONS[(number + turn) % len(POSITIONS)],
            "email": email_of(name, provider),
            "phone": phone_number(provider.country, number + 7 * turn + 3) if turn == 0 else None,
            "language": language_of(provider.country) or "",
            "is_verified": turn == 0,
        },
        actor=owner,
    )


def _account_of(provider: Provider) -> uuid.UUID | None:
    return db.session.scalar(select(Account.id).where(Account.name == provider.name).limit(1))


def _number_of(provider: Provider) -> int:
    return providers().index(provider)


# --- cards ---


def _tell(stage: Stage, story: Story) -> None:
    assert story.provider is not None
    scene = Scene(stage, story, _number_of(story.provider))
    account_id = _account_of(story.provider)
    assert account_id is not None, "accounts are founded first"
    told = _card_of(account_id, scene.title)
    if told is not None and not (_is_undone(story) and not _has_undone(told)):
        return
    scene.contact_id = _contact_of(account_id, scene.contact)
    db.session.rollback()
    telling = Teller(scene, account_id, told).tell()
    is_told = False
    while not is_told:
        with transaction():
            is_told = next(telling, True) is not None


def _card_of(account_id: uuid.UUID, title: str) -> Card | None:
    # The departments that it was handed over to have cards of the same title.
    query = select(Card).join(Pipeline, Pipeline.id == Card.pipeline_id).where(Pipeline.slug == PIPELINE)
    return db.session.scalar(query.where(Card.account_id == account_id, Card.title == title).limit(1))


def _contact_of(account_id: uuid.UUID, name: str) -> uuid.UUID | None:
    where = (Contact.account_id == account_id, Contact.name == name)
    return db.session.scalar(select(Contact.id).where(*where).limit(1))


def _is_undone(story: Story) -> bool:
    return any("undo" in stay.has for stay in story.stays)


def _has_undone(card: Card) -> bool:
    where = (Event.card_id == card.id, Event.kind == "card.move.undone")
    return bool(db.session.scalar(select(exists().where(*where))))


def _open_card_ids() -> Sequence[uuid.UUID]:
    query = select(Card.id).join(StageRow, StageRow.id == Card.stage_id).where(StageRow.kind == "open")
    return db.session.scalars(query.order_by(Card.id)).all()
