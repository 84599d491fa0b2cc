"""Compile the form of a request to the client: pages, conditions, tables, and scores (E19)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lifecycle.core.expressions import Declared, Expression
from lifecycle.governance.language.document import (
    FormPageDocument,
    FormQuestionDocument,
    QuestionDocument,
    ScoreDocument,
)
from lifecycle.governance.language.errors import Path, nearest, shown
from lifecycle.governance.language.model import (
    FieldDef,
    FormPageDef,
    Question,
    QuestionType,
    ScoreDef,
    ScoreReason,
    SectionDef,
)
from lifecycle.governance.language.names import ACCOUNT_NAMES, CARD_NAMES, kind_of
from lifecycle.governance.playbooks.fields import (
    QuestionCompiler,
    check_bounds,
    compile_columns,
    words_of,
)
from lifecycle.governance.playbooks.references import Names

FORM_TYPES: Final[tuple[QuestionType, ...]] = ("address", "file", "table")
CONTACT_PLACES: Final = ("contact.name", "contact.email", "contact.phone", "contact.title")
_LEAD: Final = "lead"


@dataclass
class FormCompiler:
    """Compiles the pages of one form; what was asked so far is what a condition may ask about.

    `legal` are the legal documents that its request shows: a question may be about one of them.
    """

    questions: QuestionCompiler
    names: Names
    fields: Mapping[str, FieldDef]
    legal: Sequence[str] = ()
    asked: dict[str, Declared] = field(default_factory=dict)

    def pages(self, written: Mapping[str, FormPageDocument], path: Path) -> tuple[FormPageDef, ...]:
        """Return the pages in order; mistakes are noted."""
        return tuple(self._page(key, each, (*path, key)) for key, each in written.items())

    def scores(self, written: Mapping[str, ScoreDocument], path: Path) -> tuple[ScoreDef, ...]:
        """Return the scores; they may ask about everything."""
        return tuple(self._score(key, each, (*path, key)) for key, each in written.items())

    def _page(self, key: str, written: FormPageDocument, path: Path) -> FormPageDef:
        when = self._condition(written.when, (*path, "when"))
        sections = []
        if written.asks:
            sections.append(SectionDef(_LEAD, "", self._asks(written.asks, (*path, "asks"))))
        for name, section in written.sections.items():
            inner = (*path, "sections", name)
            condition = self._condition(section.when, (*inner, "when"))
            asks = self._asks(section.asks, (*inner, "asks"))
            sections.append(SectionDef(name, section.name or words_of(name), asks, section.help, condition))
        if not sections:
            self.names.findings.note(path, "the page asks nothing", "add 'asks:' or 'sections:'", key=True)
        return FormPageDef(key, written.name or words_of(key), tuple(sections), written.intro, when)

    def _asks(self, asks: Mapping[str, FormQuestionDocument], path: Path) -> tuple[Question, ...]:
        return tuple(self._question(key, each, (*path, key)) for key, each in asks.items())

    def _question(self, key: str, written: FormQuestionDocument, path: Path) -> Question:
        if key in self.asked:
            self.names.findings.note(
                path, f"'{shown(key)}' is asked twice", "give it a key of its own", key=True
            )
        question = self._of_type(key, written, path)
        question = replace(
            question,
            minimum=written.minimum,
            maximum=written.maximum,
            when=self._condition(written.when, (*path, "when")),
            required_when=self._condition(written.required_when, (*path, "required_when")),
            prefill=self._prefill(written.prefill, (*path, "prefill")),
            legal=self._legal(written.legal, (*path, "legal")),
        )
        check_bounds(written, question.type, self.names.findings, path)
        self.asked[key] = kind_of(question)
        return self._validated(question, written, path)

    def _validated(self, question: Question, written: FormQuestionDocument, path: Path) -> Question:
        """Return the question with what its own answer must meet, which may be asked about by now."""
        if (written.valid_when is None) != (not written.valid_says):
            self.names.findings.note(
                path, "'valid_when' and 'valid_says' stand together", "write both, or neither", key=True
            )
        condition = self._condition(written.valid_when, (*path, "valid_when"))
        return replace(question, valid_when=condition, valid_says=written.valid_says)

    def _of_type(self, key: str, written: FormQuestionDocument, path: Path) -> Question:
        kind = next((each for each in FORM_TYPES if each == written.type), None)
        if written.columns and kind != "table":
            self.names.findings.note((*path, "columns"), "only a table has columns", "write 'type: table'")
        if kind is None:
            return self.questions.one(key, _simple(written), path)
        question = Question(
            key, written.name or words_of(key), kind, required=written.required, help=written.help
        )
        return self._table(question, written, path) if kind == "table" else question

    def _table(self, question: Question, written: FormQuestionDocument, path: Path) -> Question:
        """Return the table; one that saves to a field has its columns, and may leave them unwritten."""
        field = self.questions.kept_in(written, path) if written.saves else None
        if field is not None and not written.columns:
            return replace(question, saves=field.key, columns=field.columns, most_rows=field.most_rows)
        columns = compile_columns(written.columns, self.questions, path)
        table = replace(question, columns=columns, most_rows=written.rows)
        if field is None:
            return table
        if _shape(columns) != _shape(field.columns):
            sentence = f"'{shown(field.key)}' has other columns than this table, and could not keep its rows"
            remedy = "leave 'columns:' out to ask for those of the field"
            self.names.findings.note((*path, "columns"), sentence, remedy)
        return replace(table, saves=field.key, most_rows=min(written.rows, field.most_rows))

    def _condition(self, text: str | None, path: Path) -> Expression | None:
        return self.names.with_answers(self.asked).expression(text, path)

    def _prefill(self, place: str | None, path: Path) -> str | None:
        if place is None:
            return None
        known = [
            *CONTACT_PLACES,
            *(f"card.{name}" for name in CARD_NAMES),
            *(f"account.{name}" for name in ACCOUNT_NAMES),
            *(f"{each.of}.{each.key}" for each in self.fields.values() if each.type != "table"),
        ]
        if place not in known:
            self.names.findings.note(path, f"'{shown(place)}' cannot be filled in", nearest(place, known))
            return None
        return place

    def _legal(self, key: str | None, path: Path) -> str | None:
        if key is not None and key not in self.legal:
            sentence = f"this request does not show the legal document '{shown(key)}'"
            self.names.findings.note(path, sentence, "add it to 'legal:' of the request")
        return key

    def _score(self, key: str, written: ScoreDocument, path: Path) -> ScoreDef:
        saves = self.fields.get(written.saves or "")
        if written.saves is not None and (saves is None or saves.type != "integer" or saves.of != "card"):
            self.names.findings.note(
                (*path, "saves"),
                f"'{shown(written.saves)}' is not an integer field of the card",
                "declare it in playbook.yaml",
            )
        if written.high <= written.medium:
            self.names.findings.note((*path, "high"), "high begins above medium", "raise it")
        reasons = []
        for position, each in enumerate(written.reasons):
            when = self._condition(each.when, (*path, "reasons", position, "when"))
            if when is not None:
                reasons.append(ScoreReason(each.points, when, each.says))
        name = written.name or words_of(key)
        return ScoreDef(key, name, tuple(reasons), written.medium, written.high, written.saves)


def _simple(written: FormQuestionDocument) -> QuestionDocument:
    return QuestionDocument(**{name: getattr(written, name) for name in QuestionDocument.model_fields})


def _shape(columns: Iterable[Question]) -> list[tuple[object, ...]]:
    """Return what makes a row fit both tables: keys, types and what can be chosen."""
    return [
        (column.key, column.type, frozenset(option.key for option in column.options)) for column in columns
    ]


def all_questions(pages: Iterable[FormPageDef]) -> tuple[Question, ...]:
    """Return every question of the pages, in order."""
    return tuple(question for page in pages for question in page.questions)
