"""Compile what the pipelines share and moves ask: options, fields and questions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, get_args

from lifecycle.governance.language.document import (
    ColumnDocument,
    FieldDocument,
    FormQuestionDocument,
    Options,
    QuestionDocument,
)
from lifecycle.governance.language.errors import Path, nearest, shown
from lifecycle.governance.language.model import (
    ACCOUNT_COLUMNS,
    FieldDef,
    FieldType,
    Option,
    Question,
    SimpleType,
)
from lifecycle.governance.language.names import ACCOUNT_NAMES, CARD_NAMES
from lifecycle.governance.playbooks.references import Findings

TYPES: Final[tuple[SimpleType, ...]] = get_args(SimpleType)
_NOT_IN_COLUMNS: Final = ("address", "file", "table")
_OF_OPTIONS: Final = ("choice", "choices")
_BOUNDED: Final = ("text", "long_text", "integer", "number", "money", "percent")
_MATCHED: Final = ("text", "long_text", "phone", "url")
_LONGEST_PATTERN: Final = 200
# A repeated group is what makes a pattern take for ever on some texts.
_REPEATED_GROUP: Final = re.compile(r"(?<!\\)\)[*+{]")

Lists = Mapping[str, tuple[Option, ...]]


def words_of(key: str) -> str:
    """Return a key as words: `follow_up_1` is "Follow up 1"."""
    words = key.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def options_of(options: Options) -> tuple[Option, ...]:
    """Return options with the names they were given, or the words of their keys."""
    return tuple(Option(key, written.name or words_of(key)) for key, written in options.items())


def compile_fields(
    fields: Mapping[str, FieldDocument], lists: Lists, findings: Findings
) -> dict[str, FieldDef]:
    """Return the fields by key, with the account's own country and segment."""
    found = {
        key: compile_field(key, written, lists, findings, ("playbook", "fields", key))
        for key, written in fields.items()
    }
    for key in ACCOUNT_COLUMNS:
        found.setdefault(key, FieldDef(key, words_of(key), of="account"))
    return found


def expect_date(
    key: str, fields: Mapping[str, FieldDef], findings: Findings, path: Path, remedy: str
) -> FieldDef | None:
    """Return the date field of that key, or None with a note; `remedy` where no name is near."""
    known = fields.get(key)
    if known is not None and known.type == "date":
        return known
    dates = [each.key for each in fields.values() if each.type == "date"]
    findings.note(path, f"'{shown(key)}' is not a date field", nearest(key, dates) or remedy)
    return None


def compile_field(key: str, written: FieldDocument, lists: Lists, findings: Findings, path: Path) -> FieldDef:
    """Return the field; mistakes are noted and the rest of it is still given."""
    _check_name(key, written, findings, path)
    if written.type == "table":
        return _table(key, written, lists, findings, path)
    if written.columns:
        findings.note((*path, "columns"), "only a table has columns", "write 'type: table'")
    kind, options = _kind_and_options(written, lists, findings, path)
    if written.of == "account" and key in ACCOUNT_COLUMNS and kind not in ("text", "choice"):
        findings.note(path, f"'{key}' of an account is a text or a choice", "write 'type: choice'")
    check_bounds(written, kind, findings, path)
    _check_pattern(written, kind, findings, path)
    return FieldDef(
        key=key,
        name=written.name or words_of(key),
        type=kind,
        of=written.of,
        help=written.help,
        options=options,
        minimum=written.minimum,
        maximum=written.maximum,
        pattern=written.pattern,
        pattern_says=written.pattern_says,
    )


def _table(key: str, written: FieldDocument, lists: Lists, findings: Findings, path: Path) -> FieldDef:
    if written.of == "account":
        findings.note((*path, "type"), "a table belongs to the card", "leave 'of: account' out")
    if written.list is not None or written.options:
        findings.note(path, "a table has nothing to choose from", "write the options at a column")
    check_bounds(written, "table", findings, path)
    _check_pattern(written, "table", findings, path)
    columns = compile_columns(written.columns, QuestionCompiler({}, lists, findings), path)
    name = written.name or words_of(key)
    return FieldDef(key, name, "table", help=written.help, columns=columns, most_rows=written.rows)


def compile_columns(
    written: Mapping[str, ColumnDocument], compiler: QuestionCompiler, path: Path
) -> tuple[Question, ...]:
    """Return the columns of a table in order; mistakes are noted."""
    if not written:
        compiler.findings.note(path, "the table has no columns", "add 'columns:'")
    return tuple(_column(key, each, compiler, (*path, "columns", key)) for key, each in written.items())


def _column(key: str, written: ColumnDocument, compiler: QuestionCompiler, path: Path) -> Question:
    # A column named like a field of the card asks for something else: there is one in every row.
    is_typed = written.type or written.list or written.options
    plain = written if is_typed else written.model_copy(update={"type": "text"})
    is_simple = written.type not in _NOT_IN_COLUMNS
    column = compiler.one(key, plain, path) if is_simple else Question(key, words_of(key))
    if not is_simple or column.type in _NOT_IN_COLUMNS:
        compiler.findings.note(path, f"a column cannot be of type {written.type}", "use a simple type")
    check_bounds(written, column.type, compiler.findings, path)
    return replace(column, saves=None, columns=(), minimum=written.minimum, maximum=written.maximum)


def _check_name(key: str, written: FieldDocument, findings: Findings, path: Path) -> None:
    taken = CARD_NAMES if written.of == "card" else ACCOUNT_NAMES
    if key in taken and not (written.of == "account" and key in ACCOUNT_COLUMNS):
        findings.note(path, f"every {written.of} has a '{key}' of its own", "choose another key", key=True)
    if written.of == "card" and key in ACCOUNT_COLUMNS:
        findings.note(path, f"'{key}' belongs to the account", "add 'of: account'", key=True)


def _kind_and_options(
    written: FieldDocument | QuestionDocument, lists: Lists, findings: Findings, path: Path
) -> tuple[SimpleType, tuple[Option, ...]]:
    """Return the type and the options, whichever way they are written."""
    word, listed = written.type, written.list
    if word is not None and word not in TYPES:
        if word in lists and listed is None:
            word, listed = None, word
        else:
            findings.note(
                (*path, "type"),
                f"'{shown(word)}' is neither a type nor a list",
                nearest(word, [*TYPES, *lists]),
            )
            return "text", ()
    if listed is not None and listed not in lists:
        findings.note((*path, "list"), f"'{shown(listed)}' is not a list", nearest(listed, lists))
        return "text", ()
    if listed is not None and written.options:
        findings.note((*path, "options"), "a list and options of its own cannot be mixed", "keep one of them")
    options = lists[listed] if listed is not None else options_of(written.options)
    kind: SimpleType = next((each for each in TYPES if each == word), "choice" if options else "text")
    if kind in _OF_OPTIONS and not options:
        findings.note(
            path, f"a {kind} needs something to choose from", "add 'options: [a, b]' or 'list: name'"
        )
    if kind not in _OF_OPTIONS and options:
        findings.note(path, f"a field of type {kind} has no options", "write 'type: choice'")
    return kind, options


def check_bounds(
    written: FieldDocument | ColumnDocument | FormQuestionDocument, kind: str, findings: Findings, path: Path
) -> None:
    """Note bounds that make no sense."""
    low, high = written.minimum, written.maximum
    if kind not in _BOUNDED and (low is not None or high is not None):
        findings.note(path, f"a field of type {kind} has no minimum or maximum", "leave them out")
    if low is not None and high is not None and low > high:
        findings.note((*path, "maximum"), f"the maximum {high} is below the minimum {low}")


def _check_pattern(written: FieldDocument, kind: FieldType, findings: Findings, path: Path) -> None:
    if written.pattern is None:
        return
    if kind not in _MATCHED:
        findings.note((*path, "pattern"), f"a field of type {kind} has no pattern", "leave it out")
    findings.attempt((*path, "pattern"), lambda: checked_pattern(written.pattern or ""))


def checked_pattern(pattern: str) -> str:
    """Return a pattern that can be used; raises ValueError for one that is wrong or could run long."""
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"a pattern has at most {_LONGEST_PATTERN} characters")
    if _REPEATED_GROUP.search(pattern):
        raise ValueError("a pattern may not repeat a group; write it without (…)+ or (…)*")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"this is not a pattern: {error}") from None
    return pattern


@dataclass(frozen=True)
class QuestionCompiler:
    """Compiles what moves ask."""

    fields: Mapping[str, FieldDef]
    lists: Lists
    findings: Findings

    def compiled(self, asks: Mapping[str, QuestionDocument], path: Path) -> tuple[Question, ...]:
        """Return the questions in order; one that saves to a field takes type and options from it."""
        found = tuple(self.one(key, written, (*path, key)) for key, written in asks.items())
        for question in found:
            if question.type == "table":
                sentence = f"'{shown(question.saves)}' is a table, and only a form asks for one"
                remedy = "ask for it in the gate, with 'field:', or on a page of a form"
                self.findings.note((*path, question.key), sentence, remedy)
        return found

    def kept_in(self, written: QuestionDocument, path: Path) -> FieldDef | None:
        """Return the table of the card that a form's table saves to, or None with a note."""
        field = self.fields.get(written.saves or "")
        if field is not None and field.type == "table":
            return field
        tables = [each.key for each in self.fields.values() if each.type == "table"]
        sentence = f"'{shown(written.saves)}' is not a field of type table"
        self.findings.note((*path, "saves"), sentence, nearest(written.saves or "", tables))
        return None

    def one(self, key: str, written: QuestionDocument, path: Path) -> Question:
        """Return one question."""
        saves = written.saves or self._field_meant(key, written)
        if saves is not None:
            return self._of_field(key, written, saves, path)
        word = written.type
        if word is not None and word not in TYPES and word not in self.lists:
            known = [*TYPES, *self.lists, *self.fields]
            self.findings.note(
                path, f"'{shown(word)}' is neither a type, a list nor a field", nearest(word, known)
            )
            return Question(key, words_of(key))
        kind, options = _kind_and_options(written, self.lists, self.findings, path)
        return Question(key, written.name or words_of(key), kind, options, written.required, written.help)

    def _field_meant(self, key: str, written: QuestionDocument) -> str | None:
        """Return the field a short form means: by its word, or by the question's own key."""
        word = written.type
        if word is not None:
            return word if word in self.fields and word not in TYPES and word not in self.lists else None
        return key if key in self.fields and written.list is None and not written.options else None

    def _of_field(self, key: str, written: QuestionDocument, saves: str, path: Path) -> Question:
        target = self.fields.get(saves)
        if target is None:
            self.findings.note(
                (*path, "saves"), f"'{shown(saves)}' is not a field", nearest(saves, self.fields)
            )
            return Question(key, words_of(key))
        if target.computed_by is not None:
            sentence = f"'{shown(saves)}' is a score, and nobody writes it"
            self.findings.note(path, sentence, "ask for something else")
        return Question(
            key=key,
            name=written.name or target.name,
            type=target.type,
            options=target.options,
            required=written.required,
            help=written.help or target.help,
            saves=saves,
            columns=target.columns,
            most_rows=target.most_rows,
        )
