"""What a client sees of a request: what it is about, where their project stands, and what they sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lifecycle.core.db import db
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.fields.values import show_value
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import ClientRequestDef, PhaseDef, Question
from lifecycle.governance.requests.answer import Opened
from lifecycle.governance.requests.ask import get_definition
from lifecycle.records.people.models import User


@dataclass(frozen=True)
class ClientPage:
    """One request as its client sees it. `step` of `steps` is the phase their project is in."""

    opened: Opened
    subject: Subject
    definition: ClientRequestDef
    owner: User | None
    phase: PhaseDef | None
    next_phase: PhaseDef | None
    steps: int

    @property
    def questions(self) -> tuple[Question, ...]:
        """What they are asked to fill in."""
        return self.definition.asks

    @property
    def vendor(self) -> str:
        """Who asks: the playbook's name stands for the vendor."""
        return self.subject.playbook.name

    def given(self) -> list[tuple[str, str]]:
        """Return what they answered, as (question, answer), for reading again."""
        answers: dict[str, Any] = self.opened.request.answers
        return [
            (question.name, show_value(question, answers[question.key]))
            for question in self.questions
            if question.key in answers
        ]


def read_client_page(opened: Opened) -> ClientPage:
    """Return the page of a link that works.

    Raises:
        Invalid: the card's playbook no longer has the request.
    """
    subject = get_subject(opened.request.card_id)
    phases = list(subject.playbook.phases.values())
    phase = subject.playbook.phase_of(subject.stage)
    following = next((each for each in phases if phase and each.number == phase.number + 1), None)
    return ClientPage(
        opened=opened,
        subject=subject,
        definition=get_definition(subject, opened.request),
        owner=db.session.get(User, subject.card.owner_id),
        phase=phase,
        next_phase=following,
        steps=len(phases),
    )
