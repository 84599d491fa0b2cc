"""What a check type is.

A type reads what an author wrote, loads the facts for all cards at once, and judges each card from them.
A board and a single move use the same three steps, so a gate costs a constant number of queries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from lifecycle.governance.gates.report import Remedy
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import CheckDef


class Params(BaseModel):
    """Base of what a check needs to know, as an author writes it; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Reference:
    """Something a check names, that must exist: a field, checklist, evidence, meeting, task or role."""

    kind: str
    name: str


@dataclass(frozen=True)
class Verdict:
    """Whether the requirement holds; if not, a sentence that says what is missing, and its remedy."""

    holds: bool
    sentence: str
    remedy: Remedy | None = None


@dataclass(frozen=True)
class Ask:
    """One check to be judged for one card."""

    subject: Subject
    check: CheckDef


P = TypeVar("P", bound=Params)
F = TypeVar("F")


class CheckType(ABC, Generic[P, F]):
    """One kind of requirement. Stateless; `P` is its parameters, `F` the facts it loads."""

    keyword: ClassVar[str]

    @abstractmethod
    def read(self, written: Any) -> list[P]:
        """Return the parameters of each check that `written` stands for.

        Raises:
            ValueError: with a sentence for the author (pydantic's own error counts as one).
        """

    @abstractmethod
    def name(self, params: P) -> str:
        """Return what tells this check from others of its type in the same gate."""

    @abstractmethod
    def references(self, params: P) -> list[Reference]:
        """Return what must exist for these parameters to make sense."""

    @abstractmethod
    def load(self, asks: Sequence[Ask]) -> F:
        """Return the facts that judging `asks` needs, in a number of queries that does not grow with it."""

    @abstractmethod
    def judge(self, ask: Ask, params: P, facts: F) -> Verdict:
        """Return the verdict for one card. Pure: it only looks at the subject and the facts."""


def one_name(written: Any, what: str, key: str = "name") -> dict[str, Any]:
    """Return `written` as a mapping: a bare word is short for `{name: word}`."""
    if isinstance(written, str):
        return {key: written}
    if isinstance(written, dict):
        return written
    raise ValueError(f"write the {what}'s name, or a mapping with its name")


def card_ids(asks: Sequence[Ask]) -> list[Any]:
    """Return the ids of the cards asked about, each once."""
    return list({ask.subject.id: None for ask in asks})
