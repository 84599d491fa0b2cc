"""Forms made from what a playbook declares: one WTForms field for each field or question.

The form gives labels, controls and the place for errors; the domain reads and judges what was typed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from flask_wtf import FlaskForm
from wtforms import (
    DateField,
    Field,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # Newer than its stubs.
from wtforms.validators import Optional
from wtforms.widgets import CheckboxInput, ListWidget

from lifecycle.core.decimals import from_place, in_place
from lifecycle.core.words import SOURCE, _, current_language, own
from lifecycle.governance.fields.values import filled_rows
from lifecycle.governance.language.model import FieldDef, Question

Declared = FieldDef | Question

_HTML_TYPES = {"email": "email", "phone": "tel", "url": "url"}
_INPUT_MODES = {"integer": "numeric", "number": "decimal", "money": "decimal", "percent": "decimal"}
_RADIOS_UP_TO = 4
_MORE_ROWS = 3
SPOKEN: Final = "spoken"
"""The field of a page that says in which language it was written, and so how numbers are typed there."""


def build_form(
    prefix: str,
    declared: Sequence[Declared],
    values: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    compact: Collection[str] = (),
) -> FlaskForm:
    """Return a form with a field `<prefix>-<key>` for each declared one, filled with stored or typed values.

    A table has a field `<prefix>-<key>-<row>-<column>` for each cell, in as many rows as `rows_shown` tells.

    Args:
        errors: sentences by key, shown at their fields.
        compact: keys of those that stand in a table, where a list to choose from takes less room.
    """
    single: list[Declared] = []
    filled, in_tables = dict(values), set(compact)
    for item in declared:
        if item.type != "table":
            single.append(item)
            continue
        typed = filled.pop(item.key, None)
        for cell, value in table_cells(item, typed, rows_shown(item, typed)):
            single.append(cell)
            in_tables.add(cell.key)
            if value not in (None, ""):
                filled[cell.key] = value
    fields = {f"{prefix}-{item.key}": _field(item, item.key in in_tables) for item in single}
    types = {item.key: item.type for item in single}
    form_class = type("DeclaredForm", (FlaskForm,), fields)
    form = form_class(
        formdata=None,
        data={f"{prefix}-{key}": _shown(value, types.get(key)) for key, value in filled.items()},
        meta={"csrf": False},
    )
    for key, sentence in (errors or {}).items():
        field = form._fields.get(f"{prefix}-{key}")
        if field is not None:
            field.errors = [sentence]
    assert isinstance(form, FlaskForm)
    return form


def typed_values(prefix: str, declared: Sequence[Declared], form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed into `build_form`'s fields, by key; fields that were not sent are left out.

    Numbers are read as the page's language writes them, which it sends along as SPOKEN.

    Args:
        form: the request's form (a MultiDict).
    """
    found: dict[str, Any] = {}
    for item in declared:
        name = f"{prefix}-{item.key}"
        if item.type == "table":
            rows = _typed_rows(prefix, item, form)
            if rows is not None:
                found[item.key] = rows
        elif item.type == "choices":
            if name in form or f"{name}-sent" in form:
                found[item.key] = [part for part in form.getlist(name) if part]  # type: ignore[attr-defined]
        elif name in form:
            found[item.key] = form[name]
            if item.type in _INPUT_MODES:
                found[item.key] = from_place(form[name], form.get(SPOKEN, SOURCE))
    return found


def _typed_rows(prefix: str, table: Declared, form: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    sent = form.get(f"{prefix}-{table.key}-rows", "")
    if not (sent.isascii() and sent.isdigit()):
        return None
    # One more than there may be, so that reading it says so.
    numbers = range(min(int(sent[:4]), table.most_rows + 1))
    return [typed_values(f"{prefix}-{table.key}-{number}", table.columns, form) for number in numbers]


def rows_shown(table: Declared, typed: Any) -> int:
    """Return how many rows of a table are shown: what was typed, with an empty one to go on."""
    given = len(typed) if isinstance(typed, list) else 0
    return min(max(given, len(filled_rows(typed)) + 1), table.most_rows)


def table_cells(table: Declared, typed: Any, count: int) -> Iterator[tuple[Question, Any]]:
    """Yield each cell of the first `count` rows as a question of its own, with what was typed into it."""
    rows = typed if isinstance(typed, list) else []
    for number in range(count):
        row = rows[number] if number < len(rows) and isinstance(rows[number], dict) else {}
        for column in table.columns:
            yield replace(column, key=f"{table.key}-{number}-{column.key}"), row.get(column.key)


def rows_after(table: Declared, typed: Any, asked: str) -> list[dict[str, Any]]:
    """Return a table's rows after `more:<key>` or `drop:<key>:<row>` was asked for, filled ones first."""
    act, _, rest = asked.partition(":")
    key, _, number = rest.partition(":")
    rows = list(typed) if isinstance(typed, list) else []
    if key != table.key:
        return filled_rows(rows)
    if act == "drop" and number.isascii() and number.isdigit():
        rows = [row for place, row in enumerate(rows) if place != int(number[:4])]
    return [*filled_rows(rows), *({} for _ in range(_MORE_ROWS if act == "more" else 0))]


class _StoredDateField(DateField):
    """A date as it is stored, or as it was typed, wrong or right: text either way."""

    def _value(self) -> str:
        return str(self.data or "")


def _field(item: Declared, is_compact: bool) -> Field:
    description = own(item.help)
    required = isinstance(item, Question) and item.required
    common: dict[str, Any] = {"label": own(item.name), "description": description}
    options = [SelectChoice(option.key, own(option.name)) for option in item.options]
    if item.type == "long_text":
        return TextAreaField(
            **common, validators=_may_skip(required), render_kw={"rows": 3, "maxlength": 20_000}
        )
    if item.type == "date":
        return _StoredDateField(**common, validators=_may_skip(required))
    if item.type == "yes_no":
        options = [SelectChoice("yes", _("Yes")), SelectChoice("no", _("No"))]
    if item.type in ("choice", "yes_no") and len(options) <= _RADIOS_UP_TO and not is_compact:
        return RadioField(**common, choices=options, validators=_may_skip(required))
    if item.type in ("choice", "yes_no"):
        return SelectField(
            **common, choices=[SelectChoice("", _("Choose…")), *options], validators=_may_skip(required)
        )
    if item.type == "choices":
        return SelectMultipleField(
            **common,
            choices=options,
            widget=ListWidget(prefix_label=False),
            option_widget=CheckboxInput(),
            validators=_may_skip(required),
        )
    keywords = {"type": _HTML_TYPES.get(item.type, "text"), "maxlength": 500, "autocomplete": "off"}
    if item.type in _INPUT_MODES:
        keywords["inputmode"] = _INPUT_MODES[item.type]
    return StringField(**common, validators=_may_skip(required), render_kw=keywords)


def _may_skip(required: bool) -> list[Any]:
    # No browser validation of "required": the answer must say all that is missing at once, with its reasons.
    return [] if required else [Optional()]


def _shown(value: Any, kind: str | None) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        value = f"{value:f}"
    if kind in _INPUT_MODES and isinstance(value, str | int):
        return in_place(str(value), current_language())
    return value
