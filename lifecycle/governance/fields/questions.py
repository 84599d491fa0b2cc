"""Reading what was typed for a list of questions, of a move or of a client's request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifecycle.core.words import _, own
from lifecycle.governance.fields.values import ValueRefused, read_value
from lifecycle.governance.language.model import PlaybookDef, Question


@dataclass(frozen=True)
class ReadAnswers:
    """What was read.

    `values` are by question key, `fields` by the key of the field that the question saves to, and `errors`
    are sentences by question key. A question that was left empty has no value.
    """

    values: dict[str, Any]
    fields: dict[str, Any]
    errors: dict[str, str]


def read_questions(
    playbook: PlaybookDef, questions: Sequence[Question], typed: Mapping[str, Any]
) -> ReadAnswers:
    """Read what was typed, by question key; answers to what is not asked are ignored. Raises nothing."""
    read = ReadAnswers({}, {}, {})
    for question in questions:
        definition = playbook.fields.get(question.saves) if question.saves else None
        try:
            value = read_value(question, typed.get(question.key))
            if definition is not None and value is not None:
                value = read_value(definition, value)
        except ValueRefused as refusal:
            read.errors[question.key] = str(refusal)
            continue
        if value is None:
            if question.required:
                read.errors[question.key] = _("%(name)s must be answered.", name=own(question.name))
            continue
        read.values[question.key] = value
        if definition is not None:
            read.fields[definition.key] = value
    return read
