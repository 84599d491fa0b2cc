"""What a rule may do: one schema for each action, named after its keyword.

Here stands what an author writes and what must exist for it; how it is done stands in
`governance/automation/actions/<keyword>.py`, above the moves that an action may cause.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from lifecycle.governance.gates.checks.base import Reference
from lifecycle.governance.language.channels import as_channel_key
from lifecycle.governance.language.model import ContactRight


class ActionParams(BaseModel):
    """Base of what an action needs. `short` is the key that a bare word stands for.

    `waits` says whether it waits until the move that caused it can no longer be undone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    keyword: ClassVar[str]
    short: ClassVar[str | None] = None
    waits: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: Any) -> Any:
        if cls.short is not None and isinstance(value, str | list):
            return {cls.short: value}
        return value

    def references(self) -> list[Reference]:
        """Return what must exist for these parameters to make sense."""
        return []


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class NotifyParams(ActionParams):
    """Tell people: departments, the owner, their manager, the client, or a team in its channel."""

    keyword = "notify"
    short = "departments"
    waits = False
    departments: tuple[str, ...] = ()
    owner: bool = False
    manager: bool = False
    client: bool = False
    to: ContactRight | None = None
    message: str | None = None
    says: str = Field(default="", max_length=300)
    channels: tuple[Annotated[str, AfterValidator(as_channel_key)], ...] = ()

    _listed = field_validator("departments", "channels", mode="before")(_listed)

    @model_validator(mode="after")
    def _tells_somebody(self) -> NotifyParams:
        if not (self.departments or self.owner or self.manager or self.client or self.channels):
            raise ValueError(
                "this tells nobody; name departments, channels, 'owner: yes', 'manager: yes' or 'client: yes'"
            )
        if self.client and self.message is None:
            raise ValueError("a client is told by a message; add 'message: name'")
        return self

    def references(self) -> list[Reference]:
        """Return the departments and the message."""
        message = [Reference("message", self.message)] if self.message else []
        return [*(Reference("department", key) for key in self.departments), *message]


class TaskParams(ActionParams):
    """Create a task."""

    keyword = "task"
    short = "title"
    title: str = Field(min_length=1, max_length=300)
    due: str = "1 business day"
    assignee: str = "owner"

    def references(self) -> list[Reference]:
        """Return the role and the time."""
        role = [Reference("role", self.assignee)] if self.assignee != "owner" else []
        return [*role, Reference("duration", self.due)]


class AskClientParams(ActionParams):
    """Ask the client for something, outside of a client gate."""

    keyword = "ask_client"
    short = "asks"
    asks: str
    to: ContactRight | None = None
    due: str = "5 business days"

    def references(self) -> list[Reference]:
        """Return the request and the time."""
        return [Reference("client_request", self.asks), Reference("duration", self.due)]


class AskApprovalParams(ActionParams):
    """Put the approval that a check of the card's stage asks for to its role."""

    keyword = "ask_approval"
    short = "by"
    by: str
    name: str = ""
    of: tuple[str, ...] = ()
    needed: int = Field(default=1, ge=1, le=10)
    note: str = Field(default="", max_length=500)

    _listed = field_validator("of", mode="before")(_listed)

    def references(self) -> list[Reference]:
        """Return the role and the fields."""
        return [Reference("role", self.by), *(Reference("field", key) for key in self.of)]


class HandoffParams(ActionParams):
    """Open a card in another pipeline with declared context, for its team to accept or return."""

    keyword = "handoff"
    short = "to"
    to: str
    carries: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    promises: tuple[str, ...] = ()
    accept_within: str = "1 business day"

    _listed = field_validator("carries", "evidence", "promises", mode="before")(_listed)

    def references(self) -> list[Reference]:
        """Return the pipeline, the fields, the evidences and the time."""
        return [
            Reference("pipeline", self.to),
            *(Reference("field", key) for key in (*self.carries, *self.promises)),
            *(Reference("evidence", key) for key in self.evidence),
            Reference("duration", self.accept_within),
        ]


class SetFieldParams(ActionParams):
    """Fill in a field; `now` and `today` stand for the present, nothing empties it."""

    keyword = "set_field"
    field: str
    value: str | int | bool | None = None

    def references(self) -> list[Reference]:
        """Return the field."""
        kind = "writable_field" if self.value is None else "single_field"
        return [Reference(kind, self.field)]


class AddEvidenceParams(ActionParams):
    """Attach a note as evidence."""

    keyword = "add_evidence"
    evidence: str
    note: str = Field(min_length=1, max_length=2000)

    def references(self) -> list[Reference]:
        """Return the evidence."""
        return [Reference("evidence", self.evidence)]


class MoveParams(ActionParams):
    """Move the card, through its gate like everybody else."""

    keyword = "move"
    short = "to"
    to: str
    answers: dict[str, str] = Field(default_factory=dict)
    reason: str = Field(default="", max_length=500)

    def references(self) -> list[Reference]:
        """Return the stage."""
        return [Reference("stage", self.to)]


class RemindParams(ActionParams):
    """Start a series of reminders to the owner about the card, or stop it, as closing the card does."""

    keyword = "remind"
    series: str = Field(pattern=r"[a-z][a-z0-9_]{0,62}")
    at: tuple[str, ...] = ()
    says: str = Field(default="", max_length=300)
    stop: bool = False

    _listed = field_validator("at", mode="before")(_listed)

    @model_validator(mode="after")
    def _starts_or_stops(self) -> RemindParams:
        if self.stop == bool(self.at):
            raise ValueError("say 'at: [1 week after]' to start the series, or 'stop: yes' to stop it")
        return self

    def references(self) -> list[Reference]:
        """Return the times."""
        return [Reference("reminder", words) for words in self.at]


class AccountCardParams(ActionParams):
    """Bring the account's one card on a board, maybe another playbook's, to a stage; open it if need be."""

    keyword = "account_card"
    on: str = Field(pattern=r"[a-z][a-z0-9_-]*\.[a-z][a-z0-9_]*")
    stage: str

    def references(self) -> list[Reference]:
        """Return nothing: the board may belong to a playbook that is published later; the doctor looks."""
        return []


_KINDS: Final[tuple[type[ActionParams], ...]] = (
    NotifyParams,
    TaskParams,
    AskClientParams,
    AskApprovalParams,
    HandoffParams,
    SetFieldParams,
    AddEvidenceParams,
    MoveParams,
    RemindParams,
    AccountCardParams,
)


@cache
def action_kinds() -> dict[str, type[ActionParams]]:
    """Return every action's schema by its keyword.

    Raises:
        RuntimeError: two actions claim one keyword.
    """
    found: dict[str, type[ActionParams]] = {}
    for kind in _KINDS:
        if kind.keyword in found:
            raise RuntimeError(f"Two actions claim the keyword {kind.keyword!r}.")
        found[kind.keyword] = kind
    return found
