"""Which rules an event sets off: written beside it, in its transaction, and performed after it (E12)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db, insert_missing, insert_soon
from lifecycle.core.expressions import ExpressionError
from lifecycle.core.ids import new_id
from lifecycle.core.queue import URGENT, enqueue_after_commit
from lifecycle.governance.gates.context import expression_context, load_facts
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import RuleDef, TriggerDef
from lifecycle.governance.rules.triggers import is_about
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.people.actor import Actor

DEEPEST: Final = 5
MOST_OF_ONE_CAUSE: Final = 50
_CAUSE: Final = "lifecycle.cause"
_QUEUED: Final = "lifecycle.rules_are_queued"
_ONCE: Final = ("card_id", "rule_key", "cause")
_PERFORM: Final = "jobs.rules.perform_due"


@dataclass(frozen=True)
class Cause:
    """The firing that is being performed: whatever happens meanwhile was set off by it."""

    firing_id: uuid.UUID
    root_id: uuid.UUID
    depth: int


@contextmanager
def acting_for(cause: Cause) -> Iterator[None]:
    """Say which firing everything inside is done for, in the open transaction."""
    before = db.session.info.get(_CAUSE)
    db.session.info[_CAUSE] = cause
    try:
        yield
    finally:
        db.session.info[_CAUSE] = before


def match_event(
    subject: Subject,
    kind: str,
    data: Mapping[str, Any],
    *,
    event_id: uuid.UUID,
    actor: Actor,
    channel: str,
    undo_until: datetime | None = None,
) -> None:
    """Write a firing for every rule of the card's revision that an event sets off.

    Args:
        subject: the card as it stands after the event.
        undo_until: until then the event can be taken back; rules whose effects cannot be wait for it.
    """
    candidates = [
        rule for rule in subject.playbook.rules_on(kind) if concerns(rule.trigger, subject, kind, data)
    ]
    if candidates:
        event = describe_event(kind, data, channel)
        rows = _firings(subject, candidates, str(event_id), event, kind, actor, undo_until)
        insert_soon(RuleFiring, rows, *_ONCE)
        _perform_soon(rows)


def concerns(trigger: TriggerDef, subject: Subject, kind: str, data: Mapping[str, Any]) -> bool:
    """Say whether a trigger looks at this card's pipeline and stage, and at what the event is about."""
    if trigger.pipelines and subject.pipeline.key not in trigger.pipelines:
        return False
    if trigger.stages and subject.stage.key not in trigger.stages:
        return False
    return trigger.of is None or is_about(kind, data, trigger.of)


def describe_event(kind: str, data: Mapping[str, Any], channel: str) -> dict[str, Any]:
    """Return what a rule's condition and actions may know of an event."""
    return {
        "kind": kind,
        "key": data.get("key"),
        "from": _stage(data.get("from")),
        "to": _stage(data.get("to")),
        "edge": data.get("edge"),
        "channel": channel,
        "outcome": data.get("outcome"),
        "request": str(data["request"]) if data.get("request") else None,
    }


def _stage(value: Any) -> str | None:
    return value.get("stage") if isinstance(value, dict) else None


def set_off(
    subject: Subject,
    rules: Sequence[RuleDef],
    cause: str,
    event: Mapping[str, Any],
    *,
    kind: str | None,
    actor: Actor,
) -> int:
    """Write the firings of rules whose condition holds, each once for `cause`; return how many are new."""
    rows = _firings(subject, rules, cause, event, kind, actor, None)
    written = insert_missing(RuleFiring, rows, *_ONCE)
    _perform_soon(rows)
    return written


def _firings(
    subject: Subject,
    rules: Sequence[RuleDef],
    cause: str,
    event: Mapping[str, Any],
    kind: str | None,
    actor: Actor,
    undo_until: datetime | None,
) -> list[dict[str, Any]]:
    names = [name for rule in rules if rule.when for name in rule.when.names]
    context = expression_context(subject, load_facts([subject.id], names)) if names else {}
    rows = []
    for rule in rules:
        problem = None
        if rule.when is not None:
            try:
                if not rule.when.evaluate({**context, "event": event}):
                    continue
            except ExpressionError as error:
                problem = f"Whether its condition holds cannot be told: {error}"
        rows.append(_row(subject, rule, cause, event, kind, actor, undo_until, problem))
    return rows


def _perform_soon(rows: Sequence[Mapping[str, Any]]) -> None:
    if any(row["next_attempt_at"] <= now() for row in rows) and not db.session.info.get(_QUEUED):
        enqueue_after_commit(URGENT, _PERFORM)
        db.session.info[_QUEUED] = True


def _row(
    subject: Subject,
    rule: RuleDef,
    cause: str,
    event: Mapping[str, Any],
    kind: str | None,
    actor: Actor,
    undo_until: datetime | None,
    problem: str | None,
) -> dict[str, Any]:
    before: Cause | None = db.session.info.get(_CAUSE)
    is_untold = problem is not None
    problem = problem or (_too_deep(before) if before else None)
    waits = undo_until is not None and any(action.params.waits for action in rule.actions)
    at = now()
    return {
        "id": new_id(),
        "card_id": subject.card.id,
        "visit_id": subject.visit.id,
        "revision_id": subject.card.revision_id,
        "rule_key": rule.key,
        "cause": cause,
        "event_kind": kind,
        # What could not be told then is asked again if somebody has it tried again.
        "event": {**event, "untold": True} if is_untold else dict(event),
        "actor_id": actor.user_id,
        "depth": before.depth + 1 if before else 0,
        "root_id": before.root_id if before else None,
        "state": "failed" if problem else "pending",
        "attempts": 0,
        "next_attempt_at": undo_until if waits and undo_until else at,
        "undo_until": undo_until,
        "last_error": problem,
        "results": [],
        "created_at": at,
        "done_at": None,
    }


def _too_deep(before: Cause) -> str | None:
    if before.depth >= DEEPEST:
        return f"Stopped: rules have set each other off {DEEPEST} times in a row."
    count = db.session.scalar(
        sa.select(sa.func.count()).select_from(RuleFiring).where(RuleFiring.root_id == before.root_id)
    )
    if (count or 0) >= MOST_OF_ONE_CAUSE:
        return f"Stopped: one cause has set off {MOST_OF_ONE_CAUSE} rules."
    return None
