"""Rules that wait for a time: before or after a date of a card, or at an hour of the day (E12).

The scheduler looks every minute. What makes it fire once is not who looks or how often, but the cause that a
firing is kept under: the date and its step, or the hour it was due.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from lifecycle.core.calendars import ALWAYS, BusinessCalendar
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.governance.cards.subjects import subjects_of
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import PlaybookDef, RuleDef
from lifecycle.governance.language.reminders import moment_of
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.rules.match import concerns, set_off
from lifecycle.records.accounts.models import Account
from lifecycle.records.automation.models import ScheduledRun
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.playbooks.models import Pipeline, PlaybookRevision, Stage

# Later than this, a date's rule would speak of what is long over.
GRACE: Final = timedelta(days=3)
# When a day that a date names begins for us.
MORNING: Final = time(8, 0)
_BATCH: Final = 500


def set_off_timed_rules() -> int:
    """Write the firings of every rule whose time has come; return how many are new.

    Safe to run at any interval, by any number of processes, after any pause. Must not be called inside a
    transaction.
    """
    count = 0
    for revision_id, published_at in _revisions_in_use():
        playbook = of_revision(revision_id)
        for rule in playbook.timed_rules:
            if rule.trigger.date_field is not None:
                count += _set_off_dates(revision_id, playbook, rule)
            elif rule.trigger.at is not None:
                count += _set_off_schedule(revision_id, published_at, playbook, rule)
    return count


def _revisions_in_use() -> list[tuple[int, datetime]]:
    rows = db.session.execute(
        sa.select(PlaybookRevision.id, PlaybookRevision.published_at)
        .where(PlaybookRevision.id.in_(sa.select(Card.revision_id).where(Card.archived_at.is_(None))))
        .order_by(PlaybookRevision.id)
    ).all()
    db.session.rollback()
    return [(revision_id, published_at) for revision_id, published_at in rows]


def _open_cards(revision_id: int, rule: RuleDef, *where: sa.ColumnElement[bool]) -> Iterator[list[uuid.UUID]]:
    """Yield the ids of the open cards a rule looks at, a batch at a time."""
    trigger, after = rule.trigger, uuid.UUID(int=0)
    query = (
        sa.select(Card.id)
        .join(Stage, Stage.id == Card.stage_id)
        .join(Pipeline, Pipeline.id == Card.pipeline_id)
        .join(Account, Account.id == Card.account_id)
        .where(Card.revision_id == revision_id, Card.archived_at.is_(None), Stage.kind == "open", *where)
        .order_by(Card.id)
        .limit(_BATCH)
    )
    if trigger.pipelines:
        query = query.where(Pipeline.key.in_(trigger.pipelines))
    if trigger.stages:
        query = query.where(Stage.key.in_(trigger.stages))
    while ids := list(db.session.scalars(query.where(Card.id > after))):
        db.session.rollback()
        yield ids
        after = ids[-1]
    db.session.rollback()


# --- at an hour ---


def _set_off_schedule(revision_id: int, published_at: datetime, playbook: PlaybookDef, rule: RuleDef) -> int:
    due_at = latest_due(rule, playbook, now())
    # The hours before it was published were nobody's.
    if due_at <= published_at or _has_run(revision_id, rule, due_at):
        return 0
    count = 0
    for ids in _open_cards(revision_id, rule):
        with transaction():
            count += _set_off(ids, rule, f"at {due_at.isoformat()}")
    with transaction():
        db.session.execute(
            insert(ScheduledRun)
            .values(playbook_key=_run_key(revision_id), rule_key=rule.key, due_at=due_at, run_at=now())
            .on_conflict_do_nothing()
        )
    return count


def latest_due(rule: RuleDef, playbook: PlaybookDef, at: datetime) -> datetime:
    """Return the last time, not after `at`, that a schedule was due.

    A local time that is skipped is due after the gap.
    """
    calendar = _calendar(playbook)
    assert rule.trigger.at is not None
    wall = time(rule.trigger.at // 60, rule.trigger.at % 60)
    day = at.astimezone(ZoneInfo(calendar.time_zone)).date()
    while True:
        moment = _instant(calendar, day, wall)
        if moment <= at and rule.trigger.weekday in (None, day.weekday()):
            return moment
        day -= timedelta(days=1)


def _instant(calendar: BusinessCalendar, day: date, wall: time) -> datetime:
    # A time in the gap of a clock change comes as far after it; of a repeated hour, the first one counts.
    return datetime.combine(day, wall, ZoneInfo(calendar.time_zone)).astimezone(UTC)


def _run_key(revision_id: int) -> str:
    return f"revision {revision_id}"


def _has_run(revision_id: int, rule: RuleDef, due_at: datetime) -> bool:
    found = db.session.scalar(
        sa.select(sa.literal(1)).where(
            ScheduledRun.playbook_key == _run_key(revision_id),
            ScheduledRun.rule_key == rule.key,
            ScheduledRun.due_at >= due_at,
        )
    )
    db.session.rollback()
    return found is not None


# --- around a date ---


def _set_off_dates(revision_id: int, playbook: PlaybookDef, rule: RuleDef) -> int:
    field = playbook.fields[rule.trigger.date_field or ""]
    kept = Card.fields[field.key].astext if field.of == "card" else Account.fields[field.key].astext
    first, last = _window(rule)
    count = 0
    for ids in _open_cards(revision_id, rule, kept >= first.isoformat(), kept <= last.isoformat()):
        with transaction():
            count += sum(_set_off_date(subject, playbook, rule) for subject in subjects_of(ids))
    return count


def _window(rule: RuleDef) -> tuple[date, date]:
    """Return the dates whose time can have come within the grace; generous: calendars stretch days."""
    today, step = now().date(), rule.trigger.step
    slack = GRACE.days + 2
    if step is None or step.offset is None:
        return today - timedelta(days=slack), today + timedelta(days=1)
    days = {"minutes": 1, "hours": 1, "days": 1, "weeks": 7}[step.offset.unit] * step.offset.amount
    stretched = days * 3 + 30
    if step.is_before:
        return today - timedelta(days=slack), today + timedelta(days=stretched)
    return today - timedelta(days=stretched), today + timedelta(days=1)


def _set_off_date(subject: Subject, playbook: PlaybookDef, rule: RuleDef) -> int:
    trigger = rule.trigger
    value = subject.value(trigger.date_field or "")
    day = _day(value)
    if day is None or trigger.step is None or not concerns(trigger, subject, "", {}):
        return 0
    calendar = _calendar(playbook)
    moment = moment_of(trigger.step, _instant(calendar, day, MORNING), calendar)
    if not now() - GRACE < moment <= now():
        return 0
    cause = f"{trigger.date_field} {day.isoformat()}, {trigger.step.words}"
    event = {"kind": "date", "key": trigger.date_field, "outcome": day.isoformat()}
    return set_off(subject, [rule], cause, event, kind=None, actor=SYSTEM)


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _set_off(ids: Iterable[uuid.UUID], rule: RuleDef, cause: str) -> int:
    event = {"kind": "schedule", "key": rule.key}
    return sum(
        set_off(subject, [rule], cause, event, kind=None, actor=SYSTEM)
        for subject in subjects_of(ids)
        if concerns(rule.trigger, subject, "", {})
    )


def _calendar(playbook: PlaybookDef) -> BusinessCalendar:
    return next(iter(playbook.calendars.values()), ALWAYS)
