"""`time`: the card stayed at least, or at most, so long in the stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import field_validator, model_validator

from lifecycle.core.calendars import ALWAYS
from lifecycle.core.durations import parse_duration
from lifecycle.governance.gates.checks.base import Ask, CheckType, Params, Reference, Verdict
from lifecycle.governance.gates.report import Remedy
from lifecycle.governance.gates.subject import Subject


class TimeParams(Params):
    """A minimum or a maximum stay, or both, in words like `1 business day`."""

    at_least: str | None = None
    at_most: str | None = None

    @field_validator("at_least", "at_most")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        return str(parse_duration(value)) if value is not None else None

    @model_validator(mode="after")
    def _says_something(self) -> TimeParams:
        if not self.at_least and not self.at_most:
            raise ValueError("give at_least, at_most or both")
        return self


class TimeCheck(CheckType[TimeParams, None]):
    """Written `time: {at_least: 1 business day}`."""

    keyword = "time"

    def read(self, written: Any) -> list[TimeParams]:
        """Return the check."""
        return [TimeParams.model_validate(written)]

    def name(self, params: TimeParams) -> str:
        """Return which bounds there are."""
        return "_".join(bound for bound in ("at_least", "at_most") if getattr(params, bound))

    def references(self, params: TimeParams) -> list[Reference]:
        """Return nothing: a stay refers to nothing else."""
        return []

    def load(self, asks: Sequence[Ask]) -> None:
        """Load nothing: the visit is at hand."""

    def judge(self, ask: Ask, params: TimeParams, facts: None) -> Verdict:
        """Say from when on the card may go, or since when it may not."""
        subject = ask.subject
        if ask.check.stage != subject.stage.key:
            # A stage that is jumped was not stayed in: a minimum stay there cannot be met.
            holds = params.at_least is None
            return Verdict(holds, "" if holds else f"A stay of {params.at_least} is required there.")
        if params.at_least:
            earliest = _after(subject, params.at_least)
            if subject.now < earliest:
                return Verdict(
                    False,
                    f"It must stay here at least {params.at_least}.",
                    Remedy("time", {"from": earliest}),
                )
        if params.at_most:
            latest = _after(subject, params.at_most)
            if subject.now > latest:
                return Verdict(
                    False, f"It stayed longer than {params.at_most}.", Remedy("time", {"until": latest})
                )
        return Verdict(True, "The time in this stage is as required.")


def _after(subject: Subject, duration: str) -> Any:
    calendar = subject.playbook.calendar_of(subject.stage) or ALWAYS
    return calendar.add(subject.began_at, parse_duration(duration))
