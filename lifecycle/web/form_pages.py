"""The fields of a form's page: an address in its parts, a table in its cells, everything else by itself.

A field is called `<prefix>-<key>`, `<prefix>-<key>-<part>` or `<prefix>-<key>-<row>-<column>`, so that plain
HTML without a script can hold all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from flask_wtf import FlaskForm

from lifecycle.core.words import _
from lifecycle.governance.language.model import ADDRESS_PARTS, OPTIONAL_PARTS, Question
from lifecycle.governance.requests.form import AskedQuestion
from lifecycle.web.inputs import build_form, table_cells, typed_values

PREFIX: Final = "ask"
_EMPTY_ROWS: Final = 2
_FEWEST_ROWS: Final = 3
_MORE_ROWS: Final = 3
_AUTOCOMPLETE: Final = {
    "street": "street-address",
    "postcode": "postal-code",
    "town": "address-level2",
    "region": "address-level1",
    "country": "country-name",
}


def rows_of(asked: AskedQuestion, more: str = "") -> int:
    """Return how many rows of a table are shown: those with something in them, and empty ones to go on.

    Args:
        more: the key of the table for which more were asked for.
    """
    filled = len(asked.typed) if isinstance(asked.typed, list) else 0
    shown = max(filled + _EMPTY_ROWS, _FEWEST_ROWS)
    return min(shown + (_MORE_ROWS if more == asked.question.key else 0), asked.question.most_rows)


def build_page_form(asked: Iterable[AskedQuestion], errors: Mapping[str, str], more: str = "") -> FlaskForm:
    """Return a form with every field of the questions, filled as they stand.

    Args:
        errors: sentences by field name without the prefix.
        more: as for `rows_of`.
    """
    fields: list[Question] = []
    values: dict[str, Any] = {}
    in_tables: set[str] = set()
    for each in asked:
        for cell, value in _cells(each, more):
            fields.append(cell)
            if each.question.type == "table":
                in_tables.add(cell.key)
            if value not in (None, ""):
                values[cell.key] = value
    form = build_form(PREFIX, fields, values, errors, in_tables)
    for name, hint in _AUTOCOMPLETE.items():
        for field in form:
            if field.name.endswith(f"-{name}"):
                field.render_kw = {**(field.render_kw or {}), "autocomplete": hint}
    return form


def _cells(asked: AskedQuestion, more: str) -> Iterable[tuple[Question, Any]]:
    question, typed = asked.question, asked.typed
    if question.type == "file":
        return
    if question.type == "address":
        parts = typed if isinstance(typed, dict) else {}
        for part, name in ADDRESS_PARTS.items():
            is_required = asked.is_required and part not in OPTIONAL_PARTS
            yield Question(f"{question.key}-{part}", _(name), required=is_required), parts.get(part)
    elif question.type == "table":
        yield from table_cells(question, typed, rows_of(asked, more))
    else:
        yield replace(question, required=asked.is_required), typed


def typed_answers(questions: Iterable[Question], form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed into the fields of these questions; what was not sent is left out."""
    found: dict[str, Any] = {}
    for question in questions:
        if question.type == "address":
            parts = {part: form.get(f"{PREFIX}-{question.key}-{part}") for part in ADDRESS_PARTS}
            if any(text is not None for text in parts.values()):
                found[question.key] = {part: text for part, text in parts.items() if text}
        elif question.type != "file":
            found.update(typed_values(PREFIX, [question], form))
    return found
