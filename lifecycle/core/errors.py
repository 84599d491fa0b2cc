"""Refusals: what the domain says no to, each with a sentence fit for the person who asked.

`web/errors.py` maps them to responses once. Anything else that is raised is a bug.
"""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """Base of all refusals; `sentence` is shown to the person as it stands."""

    status = 400

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotFound(Refusal):
    """There is no such thing, or it is not theirs to see; the two are not told apart."""

    status = 404


class NotPermitted(Refusal):
    """The person may not do this; the sentence says who may."""

    status = 403


class Invalid(Refusal):
    """What was sent cannot be taken; `field_errors` says why, by field name."""

    status = 422

    def __init__(self, sentence: str, field_errors: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.field_errors = dict(field_errors or {})


class Conflict(Refusal):
    """Somebody else changed it first; the sentence says what changed."""

    status = 409
