"""What an expression may do with values: its signs, functions, methods and literals."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from celpy.evaluation import celstr
from lark import Token

from lifecycle.core.durations import parse_duration
from lifecycle.core.expressions.errors import ExpressionError
from lifecycle.core.expressions.kinds import BOOLEAN, DATE, DURATION, NULL, NUMBER, TEXT, TIMESTAMP, Kind
from lifecycle.core.expressions.limits import MOST_DIGITS
from lifecycle.core.expressions.values import ARITHMETIC, as_date, as_number, as_timestamp

RELATIONS: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "relation_lt": ("<", operator.lt),
    "relation_le": ("<=", operator.le),
    "relation_gt": (">", operator.gt),
    "relation_ge": (">=", operator.ge),
    "relation_eq": ("==", operator.eq),
    "relation_ne": ("!=", operator.ne),
    "relation_in": ("in", lambda item, items: item in items),
}
OPERATIONS: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "addition_add": ("+", operator.add),
    "addition_sub": ("-", operator.sub),
    "multiplication_mul": ("*", operator.mul),
    "multiplication_div": ("/", operator.truediv),
    "multiplication_mod": ("%", operator.mod),
}
DECIMAL: Final[dict[str, Callable[[Any, Any], Decimal]]] = {
    "+": ARITHMETIC.add,
    "-": ARITHMETIC.subtract,
    "*": ARITHMETIC.multiply,
    "/": ARITHMETIC.divide,
    "%": ARITHMETIC.remainder,
}
RESULTS: Final[dict[tuple[str, Kind, Kind], Kind]] = {
    **{(sign, NUMBER, NUMBER): NUMBER for sign in DECIMAL},
    ("+", TEXT, TEXT): TEXT,
    ("+", TIMESTAMP, DURATION): TIMESTAMP,
    ("+", DURATION, TIMESTAMP): TIMESTAMP,
    ("+", DATE, DURATION): DATE,
    ("+", DURATION, DATE): DATE,
    ("+", DURATION, DURATION): DURATION,
    ("-", TIMESTAMP, TIMESTAMP): DURATION,
    ("-", TIMESTAMP, DURATION): TIMESTAMP,
    ("-", DATE, DATE): DURATION,
    ("-", DATE, DURATION): DATE,
    ("-", DURATION, DURATION): DURATION,
}
MACROS: Final = ("all", "exists", "exists_one", "filter", "map")
TEXT_METHODS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
FUNCTIONS: Final = ("has", "size", "date", "timestamp", "duration")
METHODS: Final = (*MACROS, *TEXT_METHODS, "lowerAscii", "size")
_CEL_DURATION: Final = re.compile(r"(-)?(?:([0-9]{1,6})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,9})s)?")


def _cel_duration(text: str) -> timedelta:
    """'36h', '1h30m', '-90s', or words such as '3 days'."""
    match = _CEL_DURATION.fullmatch(text)
    if match is not None and any(match.groups()[1:]):
        hours, minutes, seconds = (int(each or 0) for each in match.groups()[1:])
        length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return -length if match.group(1) else length
    words = parse_duration(text)
    if words.business:
        raise ExpressionError("business time needs a calendar, which an expression has not")
    return timedelta(**{words.unit: words.amount})


MOMENTS: Final[dict[str, tuple[Kind, Callable[[str], Any], str]]] = {
    "timestamp": (TIMESTAMP, as_timestamp, "timestamp('2026-12-24T12:00:00Z')"),
    "date": (DATE, as_date, "date('2026-12-24')"),
    "duration": (DURATION, _cel_duration, "duration('36h') or duration('3 days')"),
}


def _whole(token: str) -> tuple[Kind, Any]:
    if len(token) > MOST_DIGITS:
        raise ValueError
    return NUMBER, as_number(int(token, 16 if "x" in token else 10))


LITERALS: Final[dict[str, Callable[[Token], tuple[Kind, Any]]]] = {
    "INT_LIT": _whole,
    "FLOAT_LIT": lambda token: (NUMBER, as_number(Decimal(str(token)))),
    "STRING_LIT": lambda token: (TEXT, str(celstr(token))),
    "MLSTRING_LIT": lambda token: (TEXT, str(celstr(token))),
    "BOOL_LIT": lambda literal: (BOOLEAN, literal.value != "false"),
    "NULL_LIT": lambda _token: (NULL, None),
}
