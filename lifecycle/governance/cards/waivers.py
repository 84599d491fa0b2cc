"""Waiving a check: by a role the playbook allows, with a reason, for this visit only."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotPermitted
from lifecycle.core.ids import new_id
from lifecycle.governance.cards.edit import record_card_event
from lifecycle.governance.cards.proofs import find_check
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.gates.subject import Subject
from lifecycle.records.cards.models import Waiver
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import holds_role


def waive_check(subject: Subject, actor: Actor, to_stage: str, check_key: str, reason: str) -> None:
    """Let a card pass one check without meeting it.

    Raises:
        NotFound: no such check.
        NotPermitted: nobody may waive it, or not this person.
        Invalid: no reason.
    """
    check = find_check(subject, check_key)
    if not check.waive or check.waive == "nobody":
        raise NotPermitted("Nobody may waive this check; it has to be met.")
    if not holds_role(actor, check.waive):
        raise NotPermitted(f"Only {subject.playbook.name_of(check.waive)} may waive this check.")
    text = clean_text(reason, keep_lines=True)[:2000]
    if not text:
        raise Invalid("Say why it is waived.", {"reason": "Say why it is waived."})
    written = db.session.execute(
        insert(Waiver)
        .values(
            id=new_id(),
            card_id=subject.card.id,
            visit_id=subject.visit.id,
            check_key=check.key,
            reason=text,
            given_by=actor.user_id,
            given_at=now(),
        )
        .on_conflict_do_nothing()
        .returning(Waiver.id)
    ).scalar_one_or_none()
    if written is not None:
        data = {
            "check": check.key,
            "waiver": written,
            "to": clean_text(to_stage)[:100],
            "visit": subject.visit.id,
        }
        record_card_event(subject, "card.check.waived", actor, "page", data, reason=text)
