"""The closed set of small functions that a checked expression becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from lifecycle.core.expressions.errors import ExpressionError
from lifecycle.core.expressions.kinds import Kind
from lifecycle.core.expressions.limits import LONGEST_VALUE
from lifecycle.core.expressions.values import converter, kind_of

Run: TypeAlias = Callable[[Mapping[str, Any], Any], Any]
"""Computes a value from the context and, within a macro, the item at hand. None is null."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A checked part of an expression."""

    kind: Kind
    run: Run
    words: str
    column: int | None
    line: int
    name: str | None = None
    """Its declared name, when it is one."""
    constant: Any = None
    """Its value, when it is a literal other than null."""


def decide(decisive: bool, tests: Iterable[tuple[Run, Mapping[str, Any], Any]]) -> bool:
    """Whether any test answers ``decisive``. An error counts only if none does."""
    error: ExpressionError | None = None
    for test, context, item in tests:
        try:
            if bool(test(context, item)) is decisive:
                return decisive
        except ExpressionError as raised:
            error = error or raised
    if error is not None:
        raise error
    return not decisive


def item_itself(_context: Mapping[str, Any], item: Any) -> Any:
    """The item that a macro is at."""
    return item


def filled_value(term: Term) -> Run:
    """The term's value, refusing null."""
    if term.constant is not None:
        return term.run
    run, words = term.run, term.words

    def filled(context: Mapping[str, Any], item: Any) -> Any:
        value = run(context, item)
        if value is None:
            raise ExpressionError(f"{words} is empty")
        return value

    return filled


def lookup(base: Term | None, keys: tuple[str, ...], kind: Kind, name: str) -> Run:
    """Finds a declared value below ``base``, or in the context. What is absent is None."""
    start = None if base is None else base.run
    if not keys and start is not None:
        return start
    convert = converter(kind)

    def found(context: Mapping[str, Any], item: Any) -> Any:
        value: Any = context if start is None else start(context, item)
        try:
            for key in keys:
                if value is None:
                    return None
                value = value.get(key)
            return None if value is None else convert(value)
        except (TypeError, ValueError, AttributeError, ArithmeticError):
            raise ExpressionError(f"{name} does not hold {kind}, or holds too much of it") from None

    return found


def compare_unknown(
    compare: Callable[[Any, Any], Any], left: str, right: str, *, equality: bool, negated: bool
) -> Callable[[Any, Any], Any]:
    """A comparison of values whose kinds are only known now."""

    def checked(a: object, b: object) -> Any:
        if kind_of(a) == kind_of(b):
            return compare(a, b)
        if equality:
            return negated
        raise ExpressionError(f"{left} and {right} are not alike, and cannot be compared")

    return checked


def bounded(value: Any) -> Any:
    """The value, unless it is a text that has grown too long."""
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        raise ExpressionError(f"a text grows longer than {LONGEST_VALUE} characters")
    return value


def is_empty(value: object) -> bool:
    """Whether ``has`` says no: null, an empty text, an empty list."""
    return value is None or (isinstance(value, str | list) and not value)
