"""`move`: move the card, through its gate like everybody else."""

from __future__ import annotations

from lifecycle.governance.automation.actions.base import CHANNEL, CannotDo, Performing
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Stale
from lifecycle.governance.rules.actions import MoveParams
from lifecycle.records.inbox.record import tell


def perform(doing: Performing, params: MoveParams) -> str:
    """Move the card; what keeps it is told to its owner, and the rule waits for somebody to look."""
    subject = doing.subject
    if subject.stage.key == params.to:
        return f"It is in {subject.stage.name} already."
    outcome = move_card(
        subject.card.id,
        params.to,
        actor=doing.actor,
        channel=CHANNEL,
        seen_visit=subject.card.visit_id,
        answers=params.answers,
        reason=params.reason,
    )
    if isinstance(outcome, Stale):
        raise CannotDo(outcome.sentence)
    if isinstance(outcome, Blocked):
        sentence = " ".join(outcome.sentences)
        name = outcome.way.to_stage.name
        tell(
            [subject.card.owner_id],
            title=f"{subject.account.name}: {subject.card.title} could not move to {name} by itself",
            body=sentence,
            link=f"/cards/{subject.card.id}/gate?to={params.to}",
            cause=f"{doing.cause}/blocked",
            tone="act",
            card_id=subject.card.id,
        )
        raise CannotDo(f"It could not move to {name}: {sentence}")
    return f"Moved to {outcome.to_stage.name}."
