"""The health of the automation: what failed and waits for somebody, what ran, and what waits (E12, E13)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.governance.automation.failures import rule_name
from lifecycle.governance.messages.hold import ON_ITS_WAY, WAITING
from lifecycle.governance.playbooks.library import CurrentRevision, list_current_revisions
from lifecycle.insight.boards.view import short_span
from lifecycle.insight.due_reminders import AboutCard, DueReminder, count_due_reminders, list_due_reminders
from lifecycle.insight.messages import MessageLine, clock_words, undelivered_messages
from lifecycle.insight.rule_words import ActionResult, results_of, what_it_does
from lifecycle.records.accounts.models import Account
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.cards.models import Card
from lifecycle.records.outbox.models import OutboxMessage
from lifecycle.records.people.models import User
from lifecycle.records.playbooks.models import Pipeline

DAYS: Final = 30
AHEAD: Final = timedelta(days=7)
MOST_FAILURES: Final = 50
MOST_WAITING: Final = 20
# What is due for longer than this is performed by nobody.
PATIENCE: Final = timedelta(minutes=3)

Conditions = Sequence[sa.ColumnElement[bool]]
"""Which cards count; by their pipelines' ids, of which the database knows how many cards each has."""


@dataclass(frozen=True)
class Failure:
    """A rule that failed. `chain_url` shows the move it belongs to; `rested_by` who let it rest."""

    id: uuid.UUID
    rule: str
    playbook: str
    card: AboutCard
    chain_url: str
    at: datetime
    attempts: int
    reason: str
    results: list[ActionResult]
    rested_by: str | None


@dataclass(frozen=True)
class RuleLine:
    """What became of one rule in the last 30 days; `does` is empty when the playbook has it no more."""

    playbook: str
    name: str
    does: str
    is_gone: bool
    fired: int
    done: int
    failed: int
    waiting: int
    taken_back: int
    last_fired: datetime


@dataclass(frozen=True)
class SilentRule:
    """A rule that nothing has set off."""

    playbook: str
    name: str
    does: str


@dataclass(frozen=True)
class WaitingRule:
    """A rule that was set off and is still to be performed, and why it waits."""

    rule: str
    card: AboutCard
    chain_url: str
    why: str
    reason: str | None


@dataclass(frozen=True)
class MailFigures:
    """Mail about cards: what is under way, and what became of that of the last 30 days."""

    waiting: int
    held: int
    sending: int
    sent: int
    cancelled: int
    failed: int
    unconfirmed: int
    overdue_since: datetime | None


@dataclass(frozen=True)
class AutomationHealth:
    """The whole page."""

    sentence: str
    tone: str
    playbooks: list[CurrentRevision]
    failures: list[Failure]
    failure_count: int
    rested_count: int
    rules: list[RuleLine]
    silent: list[SilentRule]
    waiting: list[WaitingRule]
    waiting_count: int
    reminders: list[DueReminder]
    reminder_counts: list[tuple[str, int]]
    mail: MailFigures
    undelivered: list[MessageLine]
    undelivered_count: int


def read_health(playbook: str | None, zone: ZoneInfo, *, rested: bool = False) -> AutomationHealth:
    """Return how the automation fares, of one playbook or all. At most twelve queries.

    Cards of withdrawn imports are out of every figure.

    Args:
        rested: list the failures of the last 30 days that somebody has let rest, instead of those that wait.
    """
    at = now()
    since = at - timedelta(days=DAYS)
    revisions = list_current_revisions()
    narrowed = [Card.pipeline_id.in_(_pipelines_of(playbook))] if playbook else []
    names = {each.playbook.key: each.playbook.name for each in revisions}
    rules, known = _rules(since, narrowed, revisions)
    failures, count = _failures(since, narrowed, names, rested=rested)
    unattended, rested_count = _count_failures(since, narrowed)
    waiting, waiting_count, overdue_since = _waiting(at, zone, narrowed)
    mail = _mail(at, since, narrowed)
    undelivered, undelivered_count = undelivered_messages(zone, since, *narrowed)
    late = min(filter(None, (overdue_since, mail.overdue_since)), default=None)
    sentence, tone = _sentence(unattended, undelivered_count, late, sum(line.fired for line in rules), at)
    return AutomationHealth(
        sentence=sentence,
        tone=tone,
        playbooks=revisions,
        failures=failures,
        failure_count=count,
        rested_count=rested_count,
        rules=rules,
        silent=_silent(revisions, playbook, known),
        waiting=waiting,
        waiting_count=waiting_count,
        reminders=list_due_reminders(at + AHEAD, *narrowed),
        reminder_counts=count_due_reminders(at + AHEAD, *narrowed),
        mail=mail,
        undelivered=undelivered,
        undelivered_count=undelivered_count,
    )


def _sentence(
    failures: int, undelivered: int, late: datetime | None, fired: int, at: datetime
) -> tuple[str, str]:
    """Return the one thing to know, and its tone."""
    mails = "1 message" if undelivered == 1 else f"{undelivered:,} messages"
    if failures:
        waits = "1 failure waits" if failures == 1 else f"{failures:,} failures wait"
        further = f", and {mails} may not have arrived" if undelivered else ""
        return f"{waits} for somebody{further}.", "breach"
    if undelivered:
        return f"Every rule ran, but {mails} may not have arrived.", "breach"
    if late is not None:
        span = short_span(at - late)
        return (
            f"What is due has waited for {span}: nobody seems to perform it. Is the worker running?",
            "soon",
        )
    if not fired:
        return f"Nothing went wrong, and no rule has fired in the last {DAYS} days.", "passed"
    rules = "1 rule" if fired == 1 else f"{fired:,} rules"
    return f"Everything ran; {rules} fired in the last {DAYS} days.", "passed"


def _pipelines_of(playbook: str) -> Sequence[int]:
    return db.session.scalars(sa.select(Pipeline.id).where(Pipeline.playbook_key == playbook)).all()


# --- rules ---


def _rules(
    since: datetime, narrowed: Conditions, revisions: Sequence[CurrentRevision]
) -> tuple[list[RuleLine], set[tuple[str, str]]]:
    def how_many(*states: str) -> sa.ColumnElement[int]:
        return sa.func.count().filter(RuleFiring.state.in_(states))

    rows = db.session.execute(
        sa.select(
            Pipeline.playbook_key,
            RuleFiring.rule_key,
            sa.func.max(RuleFiring.revision_id).label("revision_id"),
            sa.func.count().label("fired"),
            how_many("done").label("done"),
            how_many("failed").label("failed"),
            how_many("pending").label("waiting"),
            how_many("cancelled").label("taken_back"),
            sa.func.max(RuleFiring.created_at).label("last_fired"),
        )
        .join(Card, Card.id == RuleFiring.card_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(RuleFiring.created_at >= since, Card.withdrawn_at.is_(None), *narrowed)
        .group_by(Pipeline.playbook_key, RuleFiring.rule_key)
    ).all()
    current = {each.playbook.key: each.playbook for each in revisions}
    lines = []
    for row in rows:
        playbook = current.get(row.playbook_key)
        rule = playbook.rule(row.rule_key) if playbook else None
        lines.append(
            RuleLine(
                playbook=playbook.name if playbook else row.playbook_key,
                name=rule_name(row.revision_id, row.rule_key),
                does=what_it_does(playbook, rule) if playbook and rule else "",
                is_gone=rule is None,
                fired=row.fired,
                done=row.done,
                failed=row.failed,
                waiting=row.waiting,
                taken_back=row.taken_back,
                last_fired=row.last_fired,
            )
        )
    lines.sort(key=lambda line: (-line.failed, -line.fired, line.playbook, line.name))
    return lines, {(row.playbook_key, row.rule_key) for row in rows}


def _silent(
    revisions: Sequence[CurrentRevision], chosen: str | None, known: set[tuple[str, str]]
) -> list[SilentRule]:
    return [
        SilentRule(each.playbook.name, rule.name, what_it_does(each.playbook, rule))
        for each in revisions
        if chosen in (None, each.playbook.key)
        for rule in each.playbook.rules
        if (each.playbook.key, rule.key) not in known
    ]


def _firings(*columns: Any) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(
            RuleFiring.id,
            RuleFiring.rule_key,
            RuleFiring.revision_id,
            RuleFiring.visit_id,
            RuleFiring.attempts,
            RuleFiring.last_error,
            Pipeline.playbook_key,
            Card.id.label("card_id"),
            Card.title.label("card_title"),
            Account.id.label("account_id"),
            Account.name.label("account_name"),
            sa.func.count().over().label("listed_of"),
            *columns,
        )
        .join(Card, Card.id == RuleFiring.card_id)
        .join(Account, Account.id == Card.account_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .where(Card.withdrawn_at.is_(None))
    )


def _card(row: Any) -> AboutCard:
    return AboutCard(row.card_id, row.card_title, row.account_id, row.account_name)


def _chain_url(row: Any) -> str:
    return f"/cards/{row.card_id}/visits/{row.visit_id}"


def _failures(
    since: datetime, narrowed: Conditions, names: Mapping[str, str], *, rested: bool
) -> tuple[list[Failure], int]:
    # What waits for somebody waits however old it is.
    which = (
        [RuleFiring.dismissed_by.is_not(None), RuleFiring.created_at >= since]
        if rested
        else [RuleFiring.dismissed_by.is_(None)]
    )
    query = (
        _firings(
            RuleFiring.results,
            RuleFiring.created_at,
            RuleFiring.done_at,
            User.name.label("rested_by"),
        )
        .outerjoin(User, User.id == RuleFiring.dismissed_by)
        .where(RuleFiring.state == "failed", *which, *narrowed)
        .order_by(RuleFiring.created_at.desc(), RuleFiring.id.desc())
        .limit(MOST_FAILURES)
    )
    rows = db.session.execute(query).all()
    found = [
        Failure(
            id=row.id,
            rule=rule_name(row.revision_id, row.rule_key),
            playbook=names.get(row.playbook_key, row.playbook_key),
            card=_card(row),
            chain_url=_chain_url(row),
            at=row.done_at or row.created_at,
            attempts=row.attempts,
            reason=row.last_error or "Nobody wrote down why.",
            results=results_of(row.results),
            rested_by=row.rested_by,
        )
        for row in rows
    ]
    return found, rows[0].listed_of if rows else 0


def _count_failures(since: datetime, narrowed: Conditions) -> tuple[int, int]:
    row = db.session.execute(
        sa.select(
            sa.func.count().filter(RuleFiring.dismissed_by.is_(None)).label("waiting"),
            sa.func.count()
            .filter(RuleFiring.dismissed_by.is_not(None), RuleFiring.created_at >= since)
            .label("rested"),
        )
        .select_from(RuleFiring)
        .join(Card, Card.id == RuleFiring.card_id)
        .where(RuleFiring.state == "failed", Card.withdrawn_at.is_(None), *narrowed)
    ).one()
    return row.waiting, row.rested


def _waiting(
    at: datetime, zone: ZoneInfo, narrowed: Conditions
) -> tuple[list[WaitingRule], int, datetime | None]:
    query = (
        _firings(
            RuleFiring.next_attempt_at,
            RuleFiring.undo_until,
            sa.func.min(RuleFiring.next_attempt_at).over().label("first_due"),
        )
        .where(RuleFiring.state == "pending", *narrowed)
        .order_by(RuleFiring.next_attempt_at, RuleFiring.created_at, RuleFiring.id)
        .limit(MOST_WAITING)
    )
    rows = db.session.execute(query).all()
    found = [
        WaitingRule(
            rule=rule_name(row.revision_id, row.rule_key),
            card=_card(row),
            chain_url=_chain_url(row),
            why=why_it_waits(row.next_attempt_at, row.attempts, zone),
            reason=row.last_error,
        )
        for row in rows
    ]
    if not rows:
        return [], 0, None
    first = rows[0].first_due
    return found, rows[0].listed_of, first if first < at - PATIENCE else None


def why_it_waits(next_attempt_at: datetime, attempts: int, zone: ZoneInfo) -> str:
    """Return until when a pending firing waits, and what for."""
    when = clock_words(next_attempt_at, zone)
    if attempts:
        tried = "once" if attempts == 1 else f"{attempts} times"
        return f"Tried {tried}, again at {when}"
    if next_attempt_at <= now():
        return f"Due since {when}"
    return f"Until {when}, while the move can be undone"


# --- mail ---


def _mail(at: datetime, since: datetime, narrowed: Conditions) -> MailFigures:
    state, held = OutboxMessage.state, OutboxMessage.held_by.is_not(None)
    waiting = sa.and_(state.in_(WAITING), ~held)

    def how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count().filter(condition)

    query = (
        sa.select(
            how_many(waiting).label("waiting"),
            how_many(sa.and_(state.in_(WAITING), held)).label("held"),
            how_many(state.in_(("claimed", "handing_over"))).label("sending"),
            *(how_many(state == each).label(each) for each in ("sent", "cancelled", "failed", "unconfirmed")),
            sa.func.min(OutboxMessage.next_attempt_at).filter(waiting).label("first_due"),
        )
        .select_from(OutboxMessage)
        .join(Card, Card.id == OutboxMessage.card_id)
        .where(
            Card.withdrawn_at.is_(None),
            sa.or_(state.in_(ON_ITS_WAY), OutboxMessage.created_at >= since),
            *narrowed,
        )
    )
    row = db.session.execute(query).one()
    overdue = row.first_due is not None and row.first_due < at - PATIENCE
    return MailFigures(
        waiting=row.waiting,
        held=row.held,
        sending=row.sending,
        sent=row.sent,
        cancelled=row.cancelled,
        failed=row.failed,
        unconfirmed=row.unconfirmed,
        overdue_since=row.first_due if overdue else None,
    )
