"""Reading and showing the values of fields and questions, by their declared type.

Stored forms are those of `FieldDef`: numbers as decimal strings, dates as ISO text, options by key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
from email_validator import EmailNotValidError, validate_email

from lifecycle.core.text import many_lines, one_line
from lifecycle.core.words import SOURCE, _, own, translated
from lifecycle.governance.language.model import (
    ADDRESS_PARTS,
    OPTIONAL_PARTS,
    FieldDef,
    Option,
    Question,
)

SHORT_TEXT = 500
LONG_TEXT = 20_000
# What lies outside was mistyped, and would stand in a contract.
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
_SHORT_DAY = "%-d %b %Y"


class ValueRefused(ValueError):
    """What was typed cannot be the value of this field; the sentence says what would be right."""


class PartsRefused(ValueRefused):
    """Parts of an address, or cells of a table, cannot be; `parts` are sentences by `street` or `3-price`."""

    def __init__(self, parts: Mapping[str, str]) -> None:
        super().__init__(" ".join(parts.values()))
        self.parts = dict(parts)


def read_value(definition: FieldDef | Question, typed: Any) -> Any:
    """Return the stored form of what somebody typed; None for nothing.

    Args:
        typed: text, or a list of option keys for `choices`, a list of dictionaries by column for a `table`;
            of forms a dictionary of texts for an `address`, a list of {"id", "name"} for a `file`.

    Raises:
        ValueRefused: with a sentence that names what would be right.
    """
    if isinstance(typed, str):
        typed = clean_text(typed, keep_lines=definition.type == "long_text")
    if typed in ("", None, [], {}):
        return None
    if definition.type in _OF_PARTS:
        return _OF_PARTS[definition.type](definition, typed)
    if isinstance(typed, list | dict) and definition.type != "choices":
        raise ValueRefused(
            _("%(name)s takes one value, not %(has)s.", name=own(definition.name), has=len(typed))
        )
    value = _READERS[definition.type](definition, typed)
    _check_size(definition, value)
    if isinstance(definition, FieldDef):
        _check_pattern(definition, value)
    return value


def clean_text(text: str, *, keep_lines: bool = False) -> str:
    """Return text without control and direction-override characters, and without outer white space."""
    return many_lines(text) if keep_lines else one_line(text)


def show_value(
    definition: FieldDef | Question, value: Any, currency: str | None = None, language: str = SOURCE
) -> str:
    """Return a stored value as people read it; an empty string for nothing.

    Args:
        language: what is kept, hashed or read by staff stays English; only a client's page asks for another.
    """
    if value in (None, "", []):
        return ""
    if definition.type in ("choice", "choices"):
        names = {option.key: own(option.name, language) for option in definition.options}
        keys = value if isinstance(value, list) else [value]
        return ", ".join(names.get(key, str(key)) for key in keys)
    if definition.type == "yes_no":
        return translated("Yes" if value else "No", language)
    if language != SOURCE and definition.type in _BY_PLACE:
        return _BY_PLACE[definition.type](value, language)
    if definition.type == "money":
        return f"{Decimal(str(value)):,.2f}" + (f" {currency}" if currency else "")
    if definition.type in _OF_PARTS:
        return _show_parts(definition, value, language, currency)
    return _IN_SOURCE.get(definition.type, str)(value)


@dataclass(frozen=True)
class ShownTable:
    """A table as people read it: the names of its columns, and the cells of each row as text."""

    columns: list[str]
    rows: list[list[str]]


def show_table(
    definition: FieldDef | Question, value: Any, currency: str | None = None, language: str = SOURCE
) -> ShownTable | None:
    """Return a stored table cell by cell, or None for what is none, or has no rows.

    Args:
        language: as for `show_value`.
    """
    if definition.type != "table" or not filled_rows(value):
        return None
    columns = definition.columns
    rows = [
        [_show_cell(column, row.get(column.key), currency, language) for column in columns]
        for row in filled_rows(value)
    ]
    return ShownTable([own(column.name, language) for column in columns], rows)


def spoken_day(value: str, form: str = "%-d %B %Y") -> str:
    """Return a stored date as a letter says it; what was kept as something else, as it is."""
    try:
        return date.fromisoformat(value).strftime(form)
    except ValueError:
        # Kept under an older revision, as something else.
        return str(value)


def for_expressions(definition: FieldDef | Question, value: Any) -> Any:
    """Return a stored value as expressions take it; None where there is none."""
    if value is None:
        return None
    if definition.type in _NUMBERS:
        try:
            return Decimal(str(value))
        except InvalidOperation:
            # Kept under an older revision, as something else: the expression will say that it is no number.
            return value
    if definition.type == "address":
        return {part: value.get(part) for part in ADDRESS_PARTS}
    if definition.type == "table" and isinstance(value, list):
        columns = definition.columns
        return [
            {column.key: for_expressions(column, row.get(column.key)) for column in columns}
            for row in filled_rows(value)
        ]
    return value


def show_answer(question: Question, typed: Any, language: str = SOURCE) -> str:
    """Return an answer as people read it, also one that was only typed so far; what cannot be, as typed.

    Args:
        language: as for `show_value`.
    """
    try:
        return show_value(question, read_value(question, typed), language=language)
    except PartsRefused:
        return _show_parts(question, typed, language)
    except ValueRefused:
        return ", ".join(map(str, typed)) if isinstance(typed, list) else str(typed)


def draft_value(typed: Any) -> Any:
    """Return what was typed as it is kept until it is read: text that can be kept, rows that hold something.

    More is kept than an answer may have, so that reading it says so; only endless text is cut.
    """
    if isinstance(typed, list) and typed and isinstance(typed[0], dict):
        return [{key: draft_value(cell) for key, cell in row.items()} for row in filled_rows(typed)]
    if isinstance(typed, list):
        return [one_line(str(each))[:SHORT_TEXT] for each in typed]
    if isinstance(typed, dict):
        parts = {part: draft_value(text) for part, text in typed.items()}
        return parts if any(parts.values()) else {}
    return many_lines(str(typed))[: 2 * LONG_TEXT]


def _show_parts(
    definition: FieldDef | Question, value: Any, language: str, currency: str | None = None
) -> str:
    if definition.type == "address":
        return "\n".join(str(value[part]) for part in ADDRESS_PARTS if value.get(part))
    if definition.type == "file":
        return ", ".join(str(item["name"]) for item in value)
    if not isinstance(value, list):
        return str(value)  # Kept under an older revision, as something else.
    shown = (_show_row(definition.columns, row, currency, language) for row in filled_rows(value))
    return "\n".join(shown)


def _show_row(
    columns: Sequence[Question], row: Mapping[str, Any], currency: str | None, language: str
) -> str:
    shown = (
        (own(column.name, language), _show_cell(column, row.get(column.key), currency, language))
        for column in columns
    )
    return "; ".join(f"{name}: {text}" for name, text in shown if text)


def _show_cell(column: Question, typed: Any, currency: str | None, language: str) -> str:
    try:
        value = read_value(column, typed)
    except ValueRefused:
        return show_answer(column, typed, language)
    return show_value(column, value, currency, language)


def _read_address(definition: FieldDef | Question, typed: Any) -> dict[str, str] | None:
    given = typed if isinstance(typed, dict) else {"street": str(typed)}
    value: dict[str, str] = {}
    for part in ADDRESS_PARTS:
        if text := clean_text(str(given.get(part) or "")):
            value[part] = text
    if not value:
        return None
    errors = {
        part: _(
            "%(name)s: %(part)s may have %(most)s characters.",
            name=own(definition.name),
            part=_(ADDRESS_PARTS[part]),
            most=SHORT_TEXT,
        )
        for part, text in value.items()
        if len(text) > SHORT_TEXT
    }
    for part, name in ADDRESS_PARTS.items():
        if part not in value and part not in OPTIONAL_PARTS:
            errors[part] = _("%(name)s: %(part)s is missing.", name=own(definition.name), part=_(name))
    if errors:
        raise PartsRefused(errors)
    return value


def _read_table(definition: FieldDef | Question, typed: Any) -> list[dict[str, Any]] | None:
    if isinstance(definition, FieldDef) and not isinstance(typed, list):
        raise ValueRefused(_("%(name)s is a table; it takes rows.", name=own(definition.name)))
    rows = filled_rows(typed)
    if len(rows) > definition.most_rows:
        raise ValueRefused(
            _(
                "%(name)s takes %(most)s rows; this has %(has)s.",
                name=own(definition.name),
                most=definition.most_rows,
                has=len(rows),
            )
        )
    errors: dict[str, str] = {}
    values = [_read_row(definition, number, row, errors) for number, row in enumerate(rows)]
    if errors:
        raise PartsRefused(errors)
    return [row for row in values if row] or None


def filled_rows(typed: Any) -> list[dict[str, Any]]:
    """Return the rows of a table in which something was typed."""
    given = typed if isinstance(typed, list) else []
    return [row for row in given if isinstance(row, dict) and any(map(_is_filled, row.values()))]


def _is_filled(cell: Any) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell not in (None, [])


def _read_row(
    definition: FieldDef | Question, number: int, row: Mapping[str, Any], errors: dict[str, str]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in definition.columns:
        place = _("%(name)s, row %(number)s", name=own(definition.name), number=number + 1)
        try:
            value = read_value(column, row.get(column.key))
        except ValueRefused as refusal:
            errors[f"{number}-{column.key}"] = f"{place}: {refusal}"
            continue
        if value is not None:
            values[column.key] = value
        elif column.required:
            errors[f"{number}-{column.key}"] = _(
                "%(name)s: %(part)s is missing.", name=place, part=own(column.name)
            )
    return values


def _read_files(_definition: FieldDef | Question, typed: Any) -> list[dict[str, str]] | None:
    # Which files there are is decided where they are taken in; nothing that is typed adds one.
    given = [item for item in typed if isinstance(item, dict)] if isinstance(typed, list) else []
    return [{"id": str(item["id"]), "name": str(item["name"])} for item in given] or None


_OF_PARTS: dict[str, Callable[[FieldDef | Question, Any], Any]] = {
    "address": _read_address,
    "table": _read_table,
    "file": _read_files,
}


def _read_text(definition: FieldDef | Question, typed: Any) -> str:
    limit = LONG_TEXT if definition.type == "long_text" else SHORT_TEXT
    text = str(typed)
    if len(text) > limit:
        raise ValueRefused(
            _(
                "%(name)s may have %(most)s characters; this has %(has)s.",
                name=own(definition.name),
                most=f"{limit:,}",
                has=f"{len(text):,}",
            )
        )
    return text


def _read_number(definition: FieldDef | Question, typed: Any) -> Any:
    text = str(typed).replace("\u00a0", "").replace(" ", "").removesuffix("%")
    # One separator that groups thousands is unmistakable; anything else is asked again, never guessed.
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    if not re.fullmatch(r"-?\d{1,12}(\.\d{1,6})?", text):
        raise ValueRefused(_("%(name)s must be a number, written like 1234.50.", name=own(definition.name)))
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueRefused(
            _("%(name)s must be a number, written like 1234.50.", name=own(definition.name))
        ) from None
    if definition.type == "integer":
        if number != number.to_integral_value():
            raise ValueRefused(_("%(name)s must be a whole number.", name=own(definition.name)))
        return int(number)
    if definition.type == "money":
        if number != number.quantize(Decimal("0.01")):
            raise ValueRefused(_("%(name)s may have two decimals.", name=own(definition.name)))
        return str(number.quantize(Decimal("0.01")))
    return f"{number.normalize():f}"


def _read_date(definition: FieldDef | Question, typed: Any) -> str:
    try:
        day = date.fromisoformat(str(typed))
    except ValueError:
        raise ValueRefused(
            _("%(name)s must be a date, written like 2026-11-30.", name=own(definition.name))
        ) from None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise ValueRefused(
            _(
                "%(name)s must be a day between %(first)s and %(last)s.",
                name=own(definition.name),
                first=_FIRST_DAY.year,
                last=_LAST_DAY.year,
            )
        )
    return day.isoformat()


def _read_choice(definition: FieldDef | Question, typed: Any) -> str:
    option = _find_option(definition.options, str(typed))
    if option is None:
        raise ValueRefused(
            _(
                "%(name)s: choose one of %(options)s.",
                name=own(definition.name),
                options=_named(definition.options),
            )
        )
    return option.key


def _read_choices(definition: FieldDef | Question, typed: Any) -> list[str]:
    parts = typed if isinstance(typed, list) else [part.strip() for part in str(typed).split(",")]
    keys = [_read_choice(definition, part) for part in parts if part]
    return list(dict.fromkeys(keys))


def _read_yes_no(definition: FieldDef | Question, typed: Any) -> bool:
    word = str(typed).lower()
    if word in ("yes", "true", "1", "y", "on"):
        return True
    if word in ("no", "false", "0", "n"):
        return False
    raise ValueRefused(_("%(name)s: choose yes or no.", name=own(definition.name)))


def _read_email(definition: FieldDef | Question, typed: Any) -> str:
    try:
        return validate_email(str(typed)[:320], check_deliverability=False).normalized
    except EmailNotValidError:
        raise ValueRefused(
            _("%(name)s must be an email address, like ana@example.com.", name=own(definition.name))
        ) from None


def _read_phone(definition: FieldDef | Question, typed: Any) -> str:
    try:
        number = phonenumbers.parse(str(typed)[:50], None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValueRefused(
            _(
                "%(name)s must be a phone number with its country, like +34 912 345 678.",
                name=own(definition.name),
            )
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _read_url(definition: FieldDef | Question, typed: Any) -> str:
    text = str(typed)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or len(text) > 2000:
        raise ValueRefused(
            _(
                "%(name)s must be a web address that begins with https:// or http://.",
                name=own(definition.name),
            )
        )
    return text


_READERS: dict[str, Callable[[FieldDef | Question, Any], Any]] = {
    "text": _read_text,
    "long_text": _read_text,
    "integer": _read_number,
    "number": _read_number,
    "money": _read_number,
    "percent": _read_number,
    "date": _read_date,
    "choice": _read_choice,
    "choices": _read_choices,
    "yes_no": _read_yes_no,
    "email": _read_email,
    "phone": _read_phone,
    "url": _read_url,
}
_BY_PLACE: dict[str, Callable[[Any, str], str]] = {
    "integer": lambda value, place: format_decimal(Decimal(str(value)), locale=place),
    "number": lambda value, place: format_decimal(
        Decimal(str(value)), locale=place, decimal_quantization=False
    ),
    "money": lambda value, place: format_decimal(Decimal(str(value)), "#,##0.00", locale=place),
    "percent": lambda value, place: format_percent(
        Decimal(str(value)) / 100, locale=place, decimal_quantization=False
    ),
    "date": lambda value, place: format_date(date.fromisoformat(str(value)), "long", locale=place),
}
_IN_SOURCE: dict[str, Callable[[Any], str]] = {
    "percent": lambda value: f"{Decimal(str(value)).normalize():f} %",
    "date": lambda value: spoken_day(value, _SHORT_DAY),
}
_NUMBERS = frozenset({"integer", "number", "money", "percent"})


def _check_pattern(definition: FieldDef, value: Any) -> None:
    if definition.pattern and not re.fullmatch(definition.pattern, str(value)):
        raise ValueRefused(
            f"{own(definition.name)}: {own(definition.pattern_says)}."
            if definition.pattern_says
            else _("%(name)s: this does not have the right form.", name=own(definition.name))
        )


def _check_size(definition: FieldDef | Question, value: Any) -> None:
    if definition.minimum is None and definition.maximum is None:
        return
    is_number = definition.type in _NUMBERS
    size = Decimal(str(value)) if is_number else Decimal(len(str(value)))
    if definition.minimum is not None and size < definition.minimum:
        words = {"name": own(definition.name), "least": definition.minimum}
        raise ValueRefused(
            _("%(name)s must be at least %(least)s.", **words)
            if is_number
            else _("%(name)s must be at least %(least)s characters.", **words)
        )
    if definition.maximum is not None and size > definition.maximum:
        words = {"name": own(definition.name), "most": definition.maximum}
        raise ValueRefused(
            _("%(name)s must be at most %(most)s.", **words)
            if is_number
            else _("%(name)s must be at most %(most)s characters.", **words)
        )


def _find_option(options: Sequence[Option], typed: str) -> Option | None:
    folded = typed.casefold()
    return next((o for o in options if folded in (o.key.casefold(), o.name.casefold())), None)


def _named(options: Sequence[Option]) -> str:
    names = [own(option.name) for option in options]
    return ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
