"""A form as it stands with the answers so far: what is asked, what is missing, and how it scores (E19).

Conditions are worked out in the order of the form, each from what was asked before it. What is not asked
(any more) counts as unanswered for everything after it, though what was typed there is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from lifecycle.core.expressions import Expression, ExpressionError
from lifecycle.core.words import _, own
from lifecycle.governance.fields.questions import ReadAnswers
from lifecycle.governance.fields.values import PartsRefused, ValueRefused, for_expressions, read_value
from lifecycle.governance.gates.context import Facts, expression_context
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.language.model import (
    ClientRequestDef,
    FormPageDef,
    PlaybookDef,
    Question,
    ScoreDef,
    SectionDef,
)
from lifecycle.records.accounts.models import Contact


@dataclass(frozen=True)
class AskedQuestion:
    """A question as it stands. `typed` is what is kept of it, `value` what it is read as.

    `errors` say what was typed and cannot be, by the names of fields (`key`, `key-street`, `key-0-price`);
    that nothing was typed where something must be is `is_missing`. An answer that could be read and is not
    valid has an error and its value both: what is asked after it may depend on it.
    """

    question: Question
    is_asked: bool
    is_required: bool
    typed: Any
    value: Any
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_missing(self) -> bool:
        """Whether it must be answered, and is not."""
        return self.is_asked and self.is_required and self.value is None and not self.errors

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do about it."""
        return not self.is_missing and not self.errors


@dataclass(frozen=True)
class AskedSection:
    """A section as it stands."""

    section: SectionDef
    is_asked: bool
    questions: list[AskedQuestion]


@dataclass(frozen=True)
class AskedPage:
    """A page as it stands. `number` counts the pages that are asked, from 1; 0 for one that is not."""

    page: FormPageDef
    number: int
    sections: list[AskedSection]

    @property
    def is_asked(self) -> bool:
        """Whether its condition holds."""
        return self.number > 0

    @cached_property
    def asked(self) -> list[AskedQuestion]:
        """The questions that are asked, in order."""
        return [each for section in self.sections for each in section.questions if each.is_asked]

    @property
    def answered(self) -> int:
        """How many have an answer."""
        return sum(each.value is not None or bool(each.errors) for each in self.asked)

    @property
    def missing(self) -> int:
        """How many must still be answered, or cannot stay as they are."""
        return sum(not each.is_done for each in self.asked)

    @property
    def state(self) -> str:
        """`done` when nothing must be answered any more, `begun`, `new`, or `optional`: nothing must be."""
        if self.answered:
            return "begun" if self.missing else "done"
        return "new" if self.missing else "optional"


@dataclass(frozen=True)
class Scored:
    """A score: its points, their level (`low`, `medium`, `high`), and why."""

    key: str
    name: str
    points: int
    level: str
    reasons: list[str]
    saves: str | None


@dataclass(frozen=True)
class FormState:
    """The whole form as it stands."""

    pages: list[AskedPage]
    context: Mapping[str, Any]

    @cached_property
    def asked_pages(self) -> list[AskedPage]:
        """The pages that are asked."""
        return [page for page in self.pages if page.is_asked]

    @cached_property
    def questions(self) -> dict[str, AskedQuestion]:
        """Every question by its key, asked or not."""
        return {
            each.question.key: each
            for page in self.pages
            for section in page.sections
            for each in section.questions
        }

    @property
    def asked(self) -> Iterator[AskedQuestion]:
        """The questions that are asked, in order."""
        return (each for page in self.asked_pages for each in page.asked)

    @property
    def missing(self) -> int:
        """How many questions must still be answered or mended."""
        return sum(page.missing for page in self.asked_pages)

    @property
    def share(self) -> float:
        """The part of what must be answered that is, 0 to 1."""
        must = [each for each in self.asked if each.is_required or each.errors]
        return sum(each.is_done for each in must) / len(must) if must else 1.0

    def read(self, playbook: PlaybookDef) -> ReadAnswers:
        """Return what was answered, for keeping; errors also name what is missing."""
        read = ReadAnswers({}, {}, {})
        for each in self.asked:
            question = each.question
            read.errors.update(each.errors)
            if each.is_missing:
                read.errors[question.key] = _("%(name)s must be answered.", name=own(question.name))
            if each.value is not None:
                read.values[question.key] = each.value
                if question.saves in playbook.fields:
                    read.fields[str(question.saves)] = each.value
        return read

    def scores(self, definitions: tuple[ScoreDef, ...]) -> list[Scored]:
        """Return the scores of the answers as they stand."""
        return [self._scored(each) for each in definitions]

    def _scored(self, definition: ScoreDef) -> Scored:
        holding = [reason for reason in definition.reasons if _holds(reason.when, self.context)]
        points = sum(reason.points for reason in holding)
        level = "high" if points >= definition.high else "medium" if points >= definition.medium else "low"
        reasons = [reason.says for reason in holding]
        return Scored(definition.key, definition.name, points, level, reasons, definition.saves)


def read_form(definition: ClientRequestDef, subject: Subject, answers: Mapping[str, Any]) -> FormState:
    """Return how a form stands; reads nothing but what is given.

    Args:
        answers: by question key, as typed or as stored.
    """
    context = expression_context(subject, Facts())
    known: dict[str, Any] = {question.key: None for question in definition.asks}
    context["answers"] = known
    pages: list[AskedPage] = []
    number = 0
    for page in definition.pages:
        is_asked = _holds(page.when, context)
        number += is_asked
        sections = [_section(section, subject, answers, context, is_asked) for section in page.sections]
        pages.append(AskedPage(page, number if is_asked else 0, sections))
    return FormState(pages, context)


@dataclass(frozen=True)
class SentPage:
    """A page of a form as it was sent: its questions that have an answer, with what is stored of it."""

    page: FormPageDef
    answers: list[tuple[Question, Any]]


def read_sent(definition: ClientRequestDef, answers: Mapping[str, Any]) -> list[SentPage]:
    """Return the pages of what was sent that have answers; what was asked then is what was answered.

    Args:
        definition: the form as the revision has it under which it was sent.
        answers: as they were stored.
    """
    pages = [
        SentPage(page, [(each, answers[each.key]) for each in page.questions if each.key in answers])
        for page in definition.pages
    ]
    return [page for page in pages if page.answers]


def _section(
    section: SectionDef, subject: Subject, answers: Mapping[str, Any], context: dict[str, Any], on_page: bool
) -> AskedSection:
    is_asked = on_page and _holds(section.when, context)
    questions = []
    for question in section.questions:
        each = _question(question, subject, answers.get(question.key), context, is_asked)
        questions.append(each)
        if each.is_asked:
            context["answers"][question.key] = for_expressions(question, each.value)
            if each.value is not None and not _holds(question.valid_when, context):
                questions[-1] = replace(each, errors={question.key: own(question.valid_says)})
    return AskedSection(section, is_asked, questions)


def _question(
    question: Question, subject: Subject, typed: Any, context: Mapping[str, Any], in_section: bool
) -> AskedQuestion:
    is_asked = in_section and _holds(question.when, context)
    is_required = question.required or (
        question.required_when is not None and _holds(question.required_when, context)
    )
    definition = subject.playbook.fields.get(question.saves) if question.saves else None
    value, errors = None, {}
    try:
        value = read_value(question, typed)
        if definition is not None and value is not None:
            value = read_value(definition, value)
    except PartsRefused as refusal:
        errors = {f"{question.key}-{part}": sentence for part, sentence in refusal.parts.items()}
    except ValueRefused as refusal:
        errors = {question.key: str(refusal)}
    return AskedQuestion(question, is_asked, is_required, typed, None if errors else value, errors)


def _holds(condition: Expression | None, context: Mapping[str, Any]) -> bool:
    """Say whether a condition holds; one about something unanswered does not."""
    if condition is None:
        return True
    try:
        return condition.evaluate(context)
    except ExpressionError:
        return False


def first_answers(definition: ClientRequestDef, subject: Subject, contact: Contact | None) -> dict[str, Any]:
    """Return what a form is filled with at first, from what is known; nobody types that again."""
    found: dict[str, Any] = {}
    for question in definition.asks:
        value = _known(question.prefill, subject, contact) if question.prefill else None
        if value is None and question.saves in subject.playbook.fields:
            value = subject.value(str(question.saves))
        if value not in (None, "", []):
            found[question.key] = value
    return found


def _known(place: str, subject: Subject, contact: Contact | None) -> Any:
    owner, _, name = place.partition(".")
    if owner == "contact":
        return getattr(contact, name, None)
    if name in subject.playbook.fields:
        return subject.value(name)
    return expression_context(subject, Facts())[owner].get(name)
