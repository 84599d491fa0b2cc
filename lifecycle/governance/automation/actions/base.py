"""What an action is given, and how it says what it came to."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lifecycle.core.db import db
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import RuleDef
from lifecycle.records.automation.models import RuleFiring
from lifecycle.records.people.actor import Actor
from lifecycle.work.client_requests.models import ClientRequest

CHANNEL = "rule"


class CannotDo(Exception):
    """An action cannot be done as things stand, and trying again would not help; the sentence says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class Performing:
    """A firing that is being performed, in a transaction that holds its card; `position` is the action's."""

    subject: Subject
    firing: RuleFiring
    rule: RuleDef
    position: int
    actor: Actor

    @property
    def cause(self) -> str:
        """What this action owes things under, so that performing it again owes nothing twice."""
        return f"firing/{self.firing.id}/{self.position}"

    @property
    def visit_to_undo(self) -> int | None:
        """The visit whose undo takes back what this action owes; None when it cannot be undone."""
        return self.firing.visit_id if self.firing.undo_until else None

    def request(self) -> ClientRequest | None:
        """Return the request to the client that set the rule off, if one did."""
        key = self.firing.event.get("request")
        return db.session.get(ClientRequest, uuid.UUID(key), populate_existing=True) if key else None


Perform = Callable[[Performing, Any], str]
"""Does an action and returns a sentence on what was done. Raises CannotDo, or a refusal of the domain."""
