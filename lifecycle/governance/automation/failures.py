"""What a person does about a rule that failed, and the evidence of it (E12)."""

from __future__ import annotations

import uuid
from typing import Final

from lifecycle.core.db import db
from lifecycle.core.errors import NotFound
from lifecycle.core.queue import URGENT, enqueue_after_commit
from lifecycle.governance.automation.perform import dismiss_firing, retry_firing
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.playbooks.library import of_revision
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require

CHANNEL: Final = "page"
_PERFORM: Final = "jobs.rules.perform_due"


def try_again(firing_id: uuid.UUID, actor: Actor) -> None:
    """Have a failed firing performed again after the commit; what it did already is not done again.

    Raises:
        NotPermitted; NotFound: there is no such firing, or it has not failed.
    """
    require(actor, "automation.manage")
    retry_firing(firing_id)
    _record("card.rule.retried", firing_id, actor)
    enqueue_after_commit(URGENT, _PERFORM)


def let_rest(firing_id: uuid.UUID, actor: Actor) -> None:
    """Let a failure rest: nobody needs to look at it any more, and it stays on record.

    Raises:
        NotPermitted; NotFound: as `try_again`.
    """
    require(actor, "automation.manage")
    if actor.user_id is None:
        raise ValueError("Only a person can let a failure rest.")
    firing = db.session.get(RuleFiring, firing_id, populate_existing=True, with_for_update=True)
    if firing is not None and firing.state == "failed" and firing.dismissed_by is not None:
        return  # Somebody has let it rest already, and that is on record.
    dismiss_firing(firing_id, actor.user_id)
    _record("card.rule.dismissed", firing_id, actor)


def rule_name(revision_id: int, rule_key: str) -> str:
    """Return what people call a rule; one that its revision does not have reads as its key's words."""
    rule = of_revision(revision_id).rule(rule_key)
    if rule is not None:
        return rule.name
    return rule_key.replace("_", " ").replace(".", " ").strip().capitalize()


def _record(kind: str, firing_id: uuid.UUID, actor: Actor) -> None:
    firing = db.session.get(RuleFiring, firing_id)
    if firing is None:
        raise NotFound("There is no such failure; it may have been tried again already.")
    data = {
        "firing": firing.id,
        "rule": firing.rule_key,
        "name": rule_name(firing.revision_id, firing.rule_key),
        "failure": firing.last_error,
    }
    record_card_event(get_subject(firing.card_id), kind, actor, CHANNEL, data)
