"""The answers to a move's questions: read, checked, and where they belong (E7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.governance.fields.questions import read_questions
from lifecycle.governance.fields.values import clean_text
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.gates.way import Way
from lifecycle.governance.language.model import PlaybookDef

LONGEST_REASON = 2_000


@dataclass(frozen=True)
class Answers:
    """What was answered, in stored form; `fields` are those that are also kept on the card."""

    values: dict[str, Any]
    fields: dict[str, Any]
    errors: dict[str, str]
    reason: str | None

    def applied_to(self, subject: Subject) -> Subject:
        """Return the subject as the gate should see it: with the answers as if already written."""
        return replace(subject, proposed=self.fields) if self.fields else subject


def may_save_to_account(playbook: PlaybookDef, to_stage: str | None = None) -> bool:
    """Say whether an answer may be kept on the account: of a move to `to_stage`, or of any move."""
    asked = [
        question
        for pipeline in playbook.pipelines
        for stage in pipeline.stages
        if to_stage in (None, stage.key)
        for asks in (stage.asks, *(edge.asks for edge in pipeline.edges if edge.to_stage == stage.key))
        for question in asks
    ]
    return any(question.saves and playbook.fields[question.saves].of == "account" for question in asked)


def read_answers(subject: Subject, way: Way, typed: Mapping[str, Any], reason: str) -> Answers:
    """Read what was typed for the questions of `way`; every error is told by question key.

    Answers to questions that are not asked are ignored.
    """
    read = read_questions(subject.playbook, way.asks, typed)
    errors = dict(read.errors)
    text = clean_text(reason, keep_lines=True)
    if len(text) > LONGEST_REASON:
        errors["reason"] = f"A reason may have {LONGEST_REASON:,} characters; this has {len(text):,}."
    elif way.needs_reason and not text and not way.refusal:
        errors["reason"] = "Give a reason for moving the card back."
    return Answers(read.values, read.fields, errors, text or None)
