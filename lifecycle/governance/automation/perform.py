"""Performing due firings, each in one transaction that holds its card.

What a rule does and that it is done commit together, so a rule acts once, however often whoever performs it
is killed. An action that cannot be done is shown with its reason and left to a person; any other failure is
tried again, later each time.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from lifecycle.core.clock import CLOCKS_DIFFER, now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import NotFound, Refusal
from lifecycle.core.expressions import Expression, ExpressionError
from lifecycle.core.killpoint import reach
from lifecycle.governance.automation.actions.base import CannotDo, Performing
from lifecycle.governance.automation.registry import performer
from lifecycle.governance.cards.change import touch_card
from lifecycle.governance.cards.subjects import get_subject, lock_subject
from lifecycle.governance.cards.summary import refresh_summary
from lifecycle.governance.gates.context import expression_context, load_facts
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import RuleDef
from lifecycle.governance.moves.outcome import UNDO_WINDOW
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.governance.rules.match import Cause, acting_for
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.people.actor import SYSTEM

log = logging.getLogger(__name__)

DELAYS: Final = (
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=3),
)
_BATCH: Final = 50


def perform_due(
    *, for_seconds: float = 60.0, should_stop: Callable[[], bool] = lambda: False
) -> tuple[int, bool]:
    """Perform what is due until nothing is, the time is over, or it should stop.

    Any number of processes may do this at once. Must not be called inside a transaction.

    Returns:
        how many were performed, and whether more may be due right now.
    """
    ends_at = time.monotonic() + for_seconds
    done = 0
    while True:
        due = _due_ids()
        performed = 0
        for firing_id, card_id in due:
            if should_stop():
                return done, False
            if time.monotonic() > ends_at:
                return done, True
            performed += perform_one(firing_id, card_id)
        done += performed
        if not performed:
            # What is left is held by somebody else, or waits for its next attempt.
            return done, False


def allow_for_a_clock_set_back() -> None:
    """Count from now what a clock counted that has been set back since. Needs an open transaction."""
    at, row = now(), RuleFiring
    soon = at + CLOCKS_DIFFER
    waits = (row.state == "pending", row.next_attempt_at > soon)
    first = (*waits, row.attempts == 0)
    _stamp(*first, row.undo_until.is_(None), next_attempt_at=at)
    until = at + UNDO_WINDOW
    # What waits for the minute of undo, and what does not: both go back by as much as its end.
    anew = {"next_attempt_at": row.next_attempt_at + (until - row.undo_until), "undo_until": until}
    _stamp(*first, row.undo_until > soon + UNDO_WINDOW, **anew)
    for attempts, delay in enumerate(DELAYS, 1):
        tried = row.attempts == attempts
        _stamp(*waits, tried, row.next_attempt_at > soon + delay, next_attempt_at=at + delay)


def _stamp(*which: sa.ColumnElement[bool], **values: object) -> None:
    db.session.execute(
        sa.update(RuleFiring).where(*which).values(**values).execution_options(synchronize_session=False)
    )


def count_due() -> int:
    """Return how many firings wait to be performed right now."""
    query = sa.select(sa.func.count()).where(
        RuleFiring.state == "pending", RuleFiring.next_attempt_at <= now()
    )
    return db.session.scalar(query) or 0


def _due_ids() -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
    rows = db.session.execute(
        sa.select(RuleFiring.id, RuleFiring.card_id)
        .where(RuleFiring.state == "pending", RuleFiring.next_attempt_at <= now())
        .order_by(RuleFiring.next_attempt_at, RuleFiring.created_at, RuleFiring.id)
        .limit(_BATCH)
    ).all()
    db.session.rollback()
    return [(firing_id, card_id) for firing_id, card_id in rows]


def perform_one(firing_id: uuid.UUID, card_id: uuid.UUID) -> bool:
    """Perform one firing if it is still ours to perform; say whether it was."""
    try:
        with transaction():
            # The card first, as everybody does, so that nobody waits for us while we wait for them.
            subject = lock_subject(card_id, writes_account=True)
            firing = _take(firing_id)
            if firing is None:
                return False
            _perform(subject, firing)
            reach("mid-rule")
    except (NotFound, CannotDo) as refusal:
        _settle_failure(firing_id, refusal.sentence, is_final=True)
    except Exception as error:
        log.exception("a rule failed and will be tried again")
        _settle_failure(firing_id, f"{type(error).__name__}: {error}"[:500])
    return True


def _take(firing_id: uuid.UUID) -> RuleFiring | None:
    return db.session.scalar(
        sa.select(RuleFiring)
        .where(RuleFiring.id == firing_id, RuleFiring.state == "pending", RuleFiring.next_attempt_at <= now())
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def perform_here(card_id: uuid.UUID) -> int:
    """Perform what is due of one card in the open transaction; return how many firings that were.

    For writing history, where a story and what followed from it commit together. Raises what fails.
    """
    count = 0
    query = (
        sa.select(RuleFiring)
        .where(
            RuleFiring.card_id == card_id, RuleFiring.state == "pending", RuleFiring.next_attempt_at <= now()
        )
        .order_by(RuleFiring.created_at, RuleFiring.id)
    )
    # What a firing sets off was made after those that were found with it.
    while firings := db.session.scalars(query).all():
        for firing in firings:
            # Held by this transaction since the first of them.
            subject = get_subject(card_id) if count else lock_subject(card_id, writes_account=True)
            _perform(subject, firing)
            db.session.flush()
            count += 1
    return count


def _perform(subject: Subject, firing: RuleFiring) -> None:
    with acting_for(Cause(firing.id, firing.root_id or firing.id, firing.depth)):
        _perform_rule(subject, firing)


def _perform_rule(subject: Subject, firing: RuleFiring) -> None:
    # The rule as it was when it was set off, even if the card was taken over to another revision since.
    rule = of_revision(firing.revision_id).rule(firing.rule_key)
    if rule is None:
        raise NotFound("The playbook no longer has this rule.")
    if subject.card.archived_at is not None:
        _finish(firing, [_result("notify", True, "The card was archived; nothing was done.")])
        return
    if firing.event.get("untold") and rule.when is not None and not _holds(subject, firing, rule.when):
        _finish(firing, [_result("notify", True, "Its condition does not hold; nothing was done.")])
        return
    _finish(firing, [_act(subject, firing, rule, position) for position in range(len(rule.actions))])
    db.session.flush()
    if all(action.keyword == "notify" for action in rule.actions):
        # Telling somebody meets no gate.
        touch_card(subject.card, SYSTEM)
        return
    standing = get_subject(subject.card.id)
    refresh_summary(standing)
    touch_card(standing.card, SYSTEM)


def _act(subject: Subject, firing: RuleFiring, rule: RuleDef, position: int) -> dict[str, Any]:
    action = rule.actions[position]
    before = firing.results[position] if position < len(firing.results) else None
    if before is not None and before["ok"]:
        # Done by an earlier attempt, of which another action failed.
        return dict(before)
    db.session.flush()
    standing = subject if position == 0 else get_subject(subject.card.id)
    try:
        if action.when is not None and not _holds(standing, firing, action.when):
            return _result(action.keyword, True, "Its condition does not hold; nothing was done.")
        doing = Performing(standing, firing, rule, position, SYSTEM)
        return _result(action.keyword, True, performer(action.keyword)(doing, action.params))
    except CannotDo as problem:
        return _result(action.keyword, False, problem.sentence)
    except Refusal as refusal:
        return _result(action.keyword, False, refusal.sentence)


def _holds(subject: Subject, firing: RuleFiring, condition: Expression) -> bool:
    context = expression_context(subject, load_facts([subject.id], condition.names))
    try:
        return condition.evaluate({**context, "event": firing.event})
    except ExpressionError as error:
        raise CannotDo(f"Whether its condition holds cannot be told: {error}") from None


def _result(keyword: str, ok: bool, says: str) -> dict[str, Any]:
    return {"action": keyword, "ok": ok, "says": says}


def _finish(firing: RuleFiring, results: list[dict[str, Any]]) -> None:
    problems = [result["says"] for result in results if not result["ok"]]
    firing.results, firing.attempts = results, firing.attempts + 1
    firing.state = "failed" if problems else "done"
    firing.last_error = " ".join(problems) or None
    firing.done_at = now()


def _settle_failure(firing_id: uuid.UUID, why: str, *, is_final: bool = False) -> None:
    with transaction():
        firing = _take(firing_id)
        if firing is None:
            return
        firing.attempts += 1
        firing.last_error = why
        if is_final or firing.attempts > len(DELAYS):
            firing.state, firing.done_at = "failed", now()
        else:
            firing.next_attempt_at = now() + DELAYS[firing.attempts - 1]


def retry_firing(firing_id: uuid.UUID) -> None:
    """Let a failed firing be performed again at once; what it did already is not done again.

    Raises:
        NotFound: there is no such firing, or it has not failed.
    """
    firing = db.session.get(RuleFiring, firing_id, populate_existing=True, with_for_update=True)
    if firing is None or firing.state != "failed":
        raise NotFound("There is no such failure; it may have been tried again already.")
    firing.state, firing.next_attempt_at, firing.attempts = "pending", now(), 0
    firing.dismissed_by = None


def dismiss_firing(firing_id: uuid.UUID, user_id: uuid.UUID) -> None:
    """Let a failure rest: somebody has looked at it, and it stays on record.

    Raises:
        NotFound: as `retry_firing`.
    """
    firing = db.session.get(RuleFiring, firing_id, populate_existing=True, with_for_update=True)
    if firing is None or firing.state != "failed":
        raise NotFound("There is no such failure; it may have been tried again already.")
    firing.dismissed_by = user_id
