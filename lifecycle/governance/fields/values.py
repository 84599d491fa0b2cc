"""Reading and showing the values of fields and questions, by their declared type.

Stored forms are those of `FieldDef`: numbers as decimal strings, dates as ISO text, options by key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from lifecycle.core.text import many_lines, one_line
from lifecycle.governance.language.model import FieldDef, Option, Question

SHORT_TEXT = 500
LONG_TEXT = 20_000


class ValueRefused(ValueError):
    """What was typed cannot be the value of this field; the sentence says what would be right."""


def read_value(definition: FieldDef | Question, typed: Any) -> Any:
    """Return the stored form of what somebody typed; None for nothing.

    Args:
        typed: text, or a list of option keys for `choices`.

    Raises:
        ValueRefused: with a sentence that names what would be right.
    """
    if isinstance(typed, str):
        typed = clean_text(typed, keep_lines=definition.type == "long_text")
    if typed in ("", None, []):
        return None
    if isinstance(typed, list) and definition.type != "choices":
        raise ValueRefused(f"{definition.name} takes one value, not {len(typed)}.")
    value = _READERS[definition.type](definition, typed)
    if isinstance(definition, FieldDef):
        _check_bounds(definition, value)
    return value


def clean_text(text: str, *, keep_lines: bool = False) -> str:
    """Return text without control and direction-override characters, and without outer white space."""
    return many_lines(text) if keep_lines else one_line(text)


def show_value(definition: FieldDef | Question, value: Any, currency: str | None = None) -> str:
    """Return a stored value as people read it; an empty string for nothing."""
    if value in (None, "", []):
        return ""
    if definition.type in ("choice", "choices"):
        names = {option.key: option.name for option in definition.options}
        keys = value if isinstance(value, list) else [value]
        return ", ".join(names.get(key, str(key)) for key in keys)
    if definition.type == "yes_no":
        return "Yes" if value else "No"
    if definition.type == "money":
        return f"{Decimal(str(value)):,.2f}" + (f" {currency}" if currency else "")
    if definition.type == "percent":
        return f"{Decimal(str(value)).normalize():f} %"
    return str(value)


def _read_text(definition: FieldDef | Question, typed: Any) -> str:
    limit = LONG_TEXT if definition.type == "long_text" else SHORT_TEXT
    text = str(typed)
    if len(text) > limit:
        raise ValueRefused(f"{definition.name} may have {limit:,} characters; this has {len(text):,}.")
    return text


def _read_number(definition: FieldDef | Question, typed: Any) -> Any:
    text = str(typed).replace("\u00a0", "").replace(" ", "").removesuffix("%")
    # One separator that groups thousands is unmistakable; anything else is asked again, never guessed.
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    if not re.fullmatch(r"-?\d{1,12}(\.\d{1,6})?", text):
        raise ValueRefused(f"{definition.name} must be a number, written like 1234.50.")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueRefused(f"{definition.name} must be a number, written like 1234.50.") from None
    if definition.type == "integer":
        if number != number.to_integral_value():
            raise ValueRefused(f"{definition.name} must be a whole number.")
        return int(number)
    if definition.type == "money":
        if number != number.quantize(Decimal("0.01")):
            raise ValueRefused(f"{definition.name} may have two decimals.")
        return str(number.quantize(Decimal("0.01")))
    return f"{number.normalize():f}"


def _read_date(definition: FieldDef | Question, typed: Any) -> str:
    try:
        return date.fromisoformat(str(typed)).isoformat()
    except ValueError:
        raise ValueRefused(f"{definition.name} must be a date, written like 2026-11-30.") from None


def _read_choice(definition: FieldDef | Question, typed: Any) -> str:
    option = _find_option(definition.options, str(typed))
    if option is None:
        raise ValueRefused(f"{definition.name}: choose one of {_named(definition.options)}.")
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
    raise ValueRefused(f"{definition.name}: choose yes or no.")


def _read_email(definition: FieldDef | Question, typed: Any) -> str:
    try:
        return validate_email(str(typed)[:320], check_deliverability=False).normalized
    except EmailNotValidError:
        raise ValueRefused(f"{definition.name} must be an email address, like ana@example.com.") from None


def _read_phone(definition: FieldDef | Question, typed: Any) -> str:
    try:
        number = phonenumbers.parse(str(typed)[:50], None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValueRefused(
            f"{definition.name} must be a phone number with its country, like +34 912 345 678."
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _read_url(definition: FieldDef | Question, typed: Any) -> str:
    text = str(typed)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or len(text) > 2000:
        raise ValueRefused(f"{definition.name} must be a web address that begins with https:// or http://.")
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
_NUMBERS = frozenset({"integer", "number", "money", "percent"})


def _check_bounds(definition: FieldDef, value: Any) -> None:
    if definition.pattern and not re.fullmatch(definition.pattern, str(value)):
        raise ValueRefused(
            f"{definition.name}: {definition.pattern_says or 'this does not have the right form'}."
        )
    if definition.minimum is None and definition.maximum is None:
        return
    is_number = definition.type in _NUMBERS
    size = Decimal(str(value)) if is_number else Decimal(len(str(value)))
    unit = "" if is_number else " characters"
    if definition.minimum is not None and size < definition.minimum:
        raise ValueRefused(f"{definition.name} must be at least {definition.minimum}{unit}.")
    if definition.maximum is not None and size > definition.maximum:
        raise ValueRefused(f"{definition.name} must be at most {definition.maximum}{unit}.")


def _find_option(options: Sequence[Option], typed: str) -> Option | None:
    folded = typed.casefold()
    return next((o for o in options if folded in (o.key.casefold(), o.name.casefold())), None)


def _named(options: Sequence[Option]) -> str:
    names = [option.name for option in options]
    return ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
