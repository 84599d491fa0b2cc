"""Values as an expression computes with them: exact, bounded, and of a known kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Final, cast

from lifecycle.core.expressions.kinds import (
    ANY,
    BOOLEAN,
    DATE,
    DURATION,
    NULL,
    NUMBER,
    TEXT,
    TIMESTAMP,
    Kind,
    ListOf,
    Record,
    Scalar,
)
from lifecycle.core.expressions.limits import LONGEST_LIST, LONGEST_VALUE, MOST_DIGITS

ARITHMETIC: Final = Context(prec=40, Emin=-100, Emax=100, traps=[InvalidOperation, DivisionByZero, Overflow])


def as_number(value: object) -> int | Decimal:
    """Every ``as_…`` takes a value of a context, or its stored form, and raises TypeError or ValueError."""
    if isinstance(value, float):
        value = Decimal(repr(value))  # 0.1 is meant as 0.1
    elif isinstance(value, str):
        value = Decimal(value) if len(value) <= 2 * MOST_DIGITS else None
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= MOST_DIGITS:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 100:
        return value
    raise TypeError


def as_text(value: object) -> str:
    """A text that is not too long."""
    if isinstance(value, str) and len(value) <= LONGEST_VALUE:
        return value
    raise TypeError


def as_boolean(value: object) -> bool:
    """Yes or no, and nothing that only counts as it."""
    if isinstance(value, bool):
        return value
    raise TypeError


def as_timestamp(value: object) -> datetime:
    """A moment with its zone."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise TypeError


def as_date(value: object) -> date:
    """A day, which a moment is not."""
    if isinstance(value, str):
        value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise TypeError


def as_duration(value: object) -> timedelta:
    """A length of time."""
    if isinstance(value, timedelta):
        return value
    raise TypeError


def _anything(value: object) -> object:
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return as_number(value)
    if isinstance(value, list | tuple | set | frozenset):
        return _items(value, _anything)
    if isinstance(value, datetime):
        return as_timestamp(value)
    if isinstance(value, bool | date | timedelta):
        return value
    raise TypeError


def _items(value: object, convert: Callable[[Any], Any]) -> list[Any]:
    if isinstance(value, list | tuple | set | frozenset) and len(value) <= LONGEST_LIST:
        return [None if item is None else convert(item) for item in value]
    raise TypeError


def _record(value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise TypeError


_SCALARS: Final[dict[Scalar, Callable[[Any], Any]]] = {
    NUMBER: as_number,
    TEXT: as_text,
    BOOLEAN: as_boolean,
    TIMESTAMP: as_timestamp,
    DATE: as_date,
    DURATION: as_duration,
    ANY: _anything,
}


def converter(kind: Kind) -> Callable[[Any], Any]:
    """A function from a context value to the value computed with; raises TypeError or ValueError."""
    if isinstance(kind, ListOf):
        element = converter(kind.element)
        return lambda value: _items(value, element)
    return _record if isinstance(kind, Record) else _SCALARS[kind]


def kind_of(value: object) -> Kind:
    """The kind of a value already converted."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, datetime):
        return TIMESTAMP
    for kind, types in ((NUMBER, (int, Decimal)), (TEXT, str), (DATE, date), (DURATION, timedelta)):
        if isinstance(value, cast(type, types)):
            return kind
    return ListOf(ANY) if isinstance(value, list) else NULL
