"""Conditions in playbooks: a safe, typed part of CEL (https://cel.dev).

An expression is parsed by cel-python and checked when a playbook is published: every name is one the playbook
declares, every comparison is between like and like, the whole answers yes or no, and its cost is bounded.
What passes becomes a closed set of small functions. There is no eval, no attribute access, no regular
expression, no side effect, and nothing that could run for long.

cel-python's own evaluator is not used: it refuses ``x != null`` where x is a number, compares no whole number
with a decimal one, counts money in binary fractions, and needs some 300 µs where this needs a few.

What differs from CEL, in favour of people who write playbooks
    Numbers are one kind, exact and decimal: 15 and 15.0 are equal, 7 / 2 is 3.5, 0.1 + 0.2 is 0.3.
    Dates without a time are a kind of their own, written ``date('2026-12-24')``.
    ``duration`` also takes words: ``duration('3 days')``. A day is 24 hours there.
    ``has(card.x)`` asks whether something is filled in: not null, not an empty text, not an empty list.
    Lists are ``[…]`` of at most 50 items; no map literals, bytes, unsigned numbers or ``matches``.

Empty values
    Anything declared may be empty: None in the context, or absent from it. ``==``, ``!=``, ``in`` and ``has``
    take it in their stride (nothing but null equals null). Everything else raises ExpressionError, naming
    what is empty, and the caller blocks. As in CEL, ``false && …`` is false and ``true || …`` is true in
    either order, whatever the other side raises: ``card.value != null && card.value > 10`` asks safely.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final, TypeAlias, cast

from celpy.evaluation import celstr
from lark import Lark, Token, Tree
from lark.exceptions import LarkError, UnexpectedCharacters, UnexpectedToken

from lifecycle.core.durations import parse_duration

Declared: TypeAlias = "str | Mapping[str, Declared] | Sequence[Declared]"
"""What a name stands for: "number", "text", "boolean", "timestamp", "date", "duration" or "any"; a mapping of
names; or a list of exactly one of these, for a list of it."""

LONGEST_TEXT: Final = 1000
DEEPEST: Final = 64
LONGEST_LITERAL_LIST: Final = 50
LONGEST_LIST: Final = 500
LONGEST_VALUE: Final = 20_000
MOST_DIGITS: Final = 30
MOST_LISTS_PER_ITEM: Final = 3

_EXAMPLE: Final = "write for example card.discount_percent > 15"


class ExpressionError(ValueError):
    """An expression cannot be published, or has no answer for these values.

    ``sentence`` says why; ``column`` (from 1) and ``line`` say where, when that is known.
    """

    def __init__(self, sentence: str, column: int | None = None, line: int = 1) -> None:
        self.sentence = sentence
        self.column = column
        self.line = line
        place = f"line {line}, column {column}" if line > 1 else f"column {column}"
        super().__init__(sentence if column is None else f"{sentence} ({place})")


# -- kinds -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scalar:
    name: str

    def __str__(self) -> str:
        return _KINDS_IN_WORDS[self.name]


@dataclass(frozen=True, slots=True)
class _List:
    element: _Kind

    def __str__(self) -> str:
        return "a list"


@dataclass(frozen=True, slots=True)
class _Record:
    members: tuple[tuple[str, _Kind], ...]

    def __str__(self) -> str:
        return "a group of names"


_Kind: TypeAlias = _Scalar | _List | _Record

NUMBER, TEXT, BOOLEAN = _Scalar("number"), _Scalar("text"), _Scalar("boolean")
TIMESTAMP, DATE, DURATION = _Scalar("timestamp"), _Scalar("date"), _Scalar("duration")
ANY, NULL = _Scalar("any"), _Scalar("null")

_KINDS_IN_WORDS: Final = {
    "number": "a number",
    "text": "text",
    "boolean": "yes or no",
    "timestamp": "a point in time",
    "date": "a date",
    "duration": "a length of time",
    "any": "anything",
    "null": "null",
}
_DECLARABLE: Final = {each.name: each for each in (NUMBER, TEXT, BOOLEAN, TIMESTAMP, DATE, DURATION, ANY)}
_ORDERED: Final = frozenset({NUMBER, TEXT, TIMESTAMP, DATE, DURATION})


def _kind(declared: Declared, where: str) -> _Kind:
    """The kind that a declaration describes; raises ValueError for what is no declaration."""
    if isinstance(declared, str):
        if declared not in _DECLARABLE:
            raise ValueError(
                f"{where}: {declared!r} is not a kind of value; use one of {', '.join(_DECLARABLE)}"
            )
        return _DECLARABLE[declared]
    if isinstance(declared, Mapping):
        return _Record(tuple((name, _kind(each, f"{where}.{name}")) for name, each in declared.items()))
    if isinstance(declared, list | tuple) and len(declared) == 1:
        return _List(_kind(declared[0], f"{where}[]"))
    raise ValueError(f"{where}: declare a kind, names, or a list of one kind")


# -- values ----------------------------------------------------------------------------------------------

_ARITHMETIC: Final = Context(prec=40, Emin=-100, Emax=100, traps=[InvalidOperation, DivisionByZero, Overflow])


def _number(value: object) -> int | Decimal:
    if isinstance(value, float):
        value = Decimal(repr(value))  # 0.1 is meant as 0.1
    elif isinstance(value, str):
        value = Decimal(value) if len(value) <= 2 * MOST_DIGITS else None
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= MOST_DIGITS:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 100:
        return value
    raise TypeError


def _text(value: object) -> str:
    if isinstance(value, str) and len(value) <= LONGEST_VALUE:
        return value
    raise TypeError


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError


def _timestamp(value: object) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise TypeError


def _date(value: object) -> date:
    if isinstance(value, str):
        value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise TypeError


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    raise TypeError


def _anything(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _number(value)
    if isinstance(value, list | tuple | set | frozenset):
        return _items(value, _anything)
    if isinstance(value, datetime):
        return _timestamp(value)
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


_SCALARS: Final[dict[_Scalar, Callable[[Any], Any]]] = {
    NUMBER: _number,
    TEXT: _text,
    BOOLEAN: _boolean,
    TIMESTAMP: _timestamp,
    DATE: _date,
    DURATION: _duration,
    ANY: _anything,
}


def _converter(kind: _Kind) -> Callable[[Any], Any]:
    """A function from a context value to the value computed with; raises TypeError or ValueError."""
    if isinstance(kind, _List):
        element = _converter(kind.element)
        return lambda value: _items(value, element)
    return _record if isinstance(kind, _Record) else _SCALARS[kind]


def _kind_of(value: object) -> _Kind:
    """The kind of a value already converted."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, datetime):
        return TIMESTAMP
    for kind, types in ((NUMBER, (int, Decimal)), (TEXT, str), (DATE, date), (DURATION, timedelta)):
        if isinstance(value, cast(type, types)):
            return kind
    return _List(ANY) if isinstance(value, list) else NULL


# -- expressions -----------------------------------------------------------------------------------------

_Run: TypeAlias = Callable[[Mapping[str, Any], Any], Any]
"""Computes a value from the context and, within a macro, the item at hand. None is null."""


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A checked expression. Immutable, without state, and safe to share between threads."""

    text: str
    names: frozenset[str]
    """The declared names it reads, dotted; ``account.cards[].amount`` is read of the items of a list."""
    _run: _Run

    def evaluate(self, context: Mapping[str, Any]) -> bool:
        """The answer for ``context``, a dictionary with the declared names; nothing in it is changed.

        Raises ExpressionError, and nothing else, when a value needed is empty, or of a wrong kind.
        """
        try:
            answer = self._run(context, None)
        except ExpressionError:
            raise
        except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
            raise ExpressionError("the expression cannot be worked out with these values") from error
        if not isinstance(answer, bool):
            raise ExpressionError("the expression has no answer, because a value it asks for is empty")
        return answer


def compile_expression(text: str, declared: Mapping[str, Declared]) -> Expression:
    """Check ``text`` against the ``declared`` names and make it ready to evaluate; equal requests share it.

    Raises ExpressionError, with a sentence and a column, for anything that cannot be published, and
    ValueError for a wrong declaration.
    """
    if not text.strip():
        raise ExpressionError(f"the expression is empty; {_EXAMPLE}")
    if len(text) > LONGEST_TEXT:
        raise ExpressionError(
            f"the expression is longer than {LONGEST_TEXT} characters; split it into several checks"
        )
    root = _Record(tuple((name, _kind(each, name)) for name, each in declared.items()))
    return _compiled(text, root)


@lru_cache(maxsize=2048)
def _compiled(text: str, root: _Record) -> Expression:
    tree = _parse(text)
    reader = _Reader(text, root)
    term = reader.read(tree)
    if term.kind not in (BOOLEAN, ANY):
        raise ExpressionError(
            f"the expression must answer yes or no, but {term.words} is {term.kind}; {_EXAMPLE}",
            term.column,
            term.line,
        )
    return Expression(text, frozenset(reader.names), term.run)


@cache
def _parser() -> Lark:
    """cel-python's grammar with its own settings; built at the first use, which takes 0.2 s."""
    return Lark(
        resources.files("celpy").joinpath("cel.lark").read_text(encoding="utf-8"),
        parser="lalr",
        start="expr",
        g_regex_flags=re.MULTILINE,
        lexer_callbacks={"IDENT": _true_or_false},
        propagate_positions=True,
        maybe_placeholders=False,
        priority="invert",
    )


def _true_or_false(token: Token) -> Token:
    """As cel-python tells them from names, but without losing where they stand."""
    if token.value in ("true", "false"):
        return Token.new_borrow_pos("BOOL_LIT", token.value, token)
    return token


def _parse(text: str) -> Tree[Token]:
    line, column = 1, None
    try:
        return _parser().parse(text)
    except UnexpectedToken as error:
        if error.token.type != "$END":
            line, column = error.line, error.column
    except UnexpectedCharacters as error:
        line, column = error.line, error.column
    except (LarkError, ValueError, LookupError, RecursionError):
        pass
    raise ExpressionError(_syntax_sentence(text, line, column), column, line)


def _syntax_sentence(text: str, line: int, column: int | None) -> str:
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "''", text)
    for pattern, remedy in (
        (r"(?<![=!<>])=(?!=)", "write == to compare"),
        (r"\band\b", "write && for 'and'"),
        (r"\bor\b", "write || for 'or'"),
        (r"\bnot\b", "write ! for 'not'"),
        (r"<>", "write != for 'is not'"),
    ):
        if re.search(pattern, bare):
            return f"the expression cannot be read; {remedy}"
    if column is None:
        return "the expression cannot be read: it ends too early, or a quotation mark or bracket is open"
    lines = text.split("\n")
    rest = lines[line - 1][column - 1 :] if line <= len(lines) else ""
    return f"the expression cannot be read from {rest[:20].strip() or 'here'} on"


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    """A checked part of an expression."""

    kind: _Kind
    run: _Run
    words: str
    column: int | None
    line: int
    name: str | None = None
    """Its declared name, when it is one."""
    constant: Any = None
    """Its value, when it is a literal other than null."""


_WRAPPERS: Final = frozenset(
    {
        "expr",
        "conditionalor",
        "conditionaland",
        "relation",
        "addition",
        "multiplication",
        "unary",
        "member",
        "primary",
        "paren_expr",
    }
)
_RELATIONS: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "relation_lt": ("<", operator.lt),
    "relation_le": ("<=", operator.le),
    "relation_gt": (">", operator.gt),
    "relation_ge": (">=", operator.ge),
    "relation_eq": ("==", operator.eq),
    "relation_ne": ("!=", operator.ne),
    "relation_in": ("in", lambda item, items: item in items),
}
_OPERATIONS: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "addition_add": ("+", operator.add),
    "addition_sub": ("-", operator.sub),
    "multiplication_mul": ("*", operator.mul),
    "multiplication_div": ("/", operator.truediv),
    "multiplication_mod": ("%", operator.mod),
}
_DECIMAL: Final[dict[str, Callable[[Any, Any], Decimal]]] = {
    "+": _ARITHMETIC.add,
    "-": _ARITHMETIC.subtract,
    "*": _ARITHMETIC.multiply,
    "/": _ARITHMETIC.divide,
    "%": _ARITHMETIC.remainder,
}
_RESULTS: Final[dict[tuple[str, _Kind, _Kind], _Kind]] = {
    **{(sign, NUMBER, NUMBER): NUMBER for sign in _DECIMAL},
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
_MACROS: Final = ("all", "exists", "exists_one", "filter", "map")
_TEXT_METHODS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
_FUNCTIONS: Final = ("has", "size", "date", "timestamp", "duration")
_METHODS: Final = (*_MACROS, *_TEXT_METHODS, "lowerAscii", "size")
_CEL_DURATION: Final = re.compile(r"(-)?(?:([0-9]{1,6})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,9})s)?")


class _Reader:
    """Turns a parse tree into terms, refusing what is not declared, not typed or not bounded."""

    def __init__(self, text: str, root: _Record) -> None:
        self.text = text
        self.root = root
        self.names: set[str] = set()
        self._variable: str | None = None
        self._item: _Term | None = None
        self._depth = 0
        self._lists_per_item = 0

    def read(self, tree: Tree[Token]) -> _Term:
        tree = _stripped(tree)
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._refusal(
                tree, f"the expression is nested more than {DEEPEST} deep; split it into several checks"
            )
        try:
            reading = getattr(self, f"_read_{tree.data}", None)
            if reading is None:
                raise self._refusal(tree, f"{self._words(tree)} cannot be used here")
            return cast(_Term, reading(tree))
        finally:
            self._depth -= 1

    # -- logic

    def _read_expr(self, tree: Tree[Token]) -> _Term:
        condition, yes, no = (self.read(child) for child in _trees(tree))
        test = self._truth(condition)
        if yes.kind != no.kind and not {yes.kind, no.kind} & {ANY, NULL}:
            raise self._refusal(
                tree, f"{yes.words} is {yes.kind} and {no.words} is {no.kind}; both must be alike"
            )
        kind = no.kind if yes.kind == NULL else ANY if ANY in (yes.kind, no.kind) else yes.kind
        chosen, other = yes.run, no.run
        return self._term(tree, kind, lambda c, i: chosen(c, i) if test(c, i) else other(c, i))

    def _read_conditionalor(self, tree: Tree[Token]) -> _Term:
        return self._logic(tree, "conditionalor", decisive=True)

    def _read_conditionaland(self, tree: Tree[Token]) -> _Term:
        return self._logic(tree, "conditionaland", decisive=False)

    def _logic(self, tree: Tree[Token], rule: str, *, decisive: bool) -> _Term:
        parts: list[Tree[Token]] = []
        left = tree
        while left.data == rule:  # a long chain leans to the left; read as one, it is not deep
            rest, last = _trees(left)
            parts.append(last)
            left = _stripped(rest)
        tests = [self._truth(self.read(part)) for part in (left, *reversed(parts))]
        return self._term(tree, BOOLEAN, lambda c, i: _decide(decisive, ((test, c, i) for test in tests)))

    def _read_unary(self, tree: Tree[Token]) -> _Term:
        sign, operand = _trees(tree)
        term = self.read(operand)
        if sign.data == "unary_not":
            test = self._truth(term)
            return self._term(tree, BOOLEAN, lambda c, i: not test(c, i))
        if term.kind not in (NUMBER, DURATION, ANY):
            raise self._refusal(tree, f"{term.words} is {term.kind}, and has no negative")
        value = _filled(term)
        return self._term(tree, term.kind, lambda c, i: -value(c, i))

    def _truth(self, term: _Term) -> _Run:
        if term.kind not in (BOOLEAN, ANY):
            raise ExpressionError(
                f"{term.words} is {term.kind}, where yes or no is needed; compare it with something",
                term.column,
                term.line,
            )
        value, words = _filled(term), term.words

        def truth(context: Mapping[str, Any], item: Any) -> bool:
            answer = value(context, item)
            if not isinstance(answer, bool):
                raise ExpressionError(f"{words} is not yes or no")
            return answer

        return truth

    # -- comparing and counting

    def _read_relation(self, tree: Tree[Token]) -> _Term:
        sign_tree, right_tree = _trees(tree)
        sign, compare = _RELATIONS[sign_tree.data]
        left, right = self.read(_trees(sign_tree)[0]), self.read(right_tree)
        if sign == "in":
            return self._membership(tree, left, right)
        equality = sign in ("==", "!=")
        self._comparable(tree, left, right, sign)
        if equality:
            one, other = left.run, right.run
        else:
            one, other = _filled(left), _filled(right)
        if ANY in (left.kind, right.kind):
            compare = _checked(compare, left.words, right.words, equality=equality, negated=sign == "!=")
        return self._term(tree, BOOLEAN, lambda c, i: compare(one(c, i), other(c, i)))

    def _comparable(self, tree: Tree[Token], left: _Term, right: _Term, sign: str) -> None:
        if sign in ("==", "!="):
            if NULL in (left.kind, right.kind) or ANY in (left.kind, right.kind):
                return
            if isinstance(left.kind, _Record) or isinstance(right.kind, _Record):
                raise self._refusal(
                    tree, f"{left.words} and {right.words} can only be compared with null as a whole"
                )
        else:
            for term in (left, right):
                if term.kind not in _ORDERED and term.kind != ANY:
                    raise self._refusal(tree, f"{term.words} is {term.kind}, which '{sign}' cannot compare")
        if ANY in (left.kind, right.kind) or left.kind == right.kind:
            return
        raise self._refusal(
            tree,
            f"{left.words} is {left.kind} and {right.words} is {right.kind}; they cannot be compared"
            f"{_hint(left.kind, right.kind)}",
        )

    def _membership(self, tree: Tree[Token], left: _Term, right: _Term) -> _Term:
        if not isinstance(right.kind, _List) and right.kind != ANY:
            remedy = (
                f"; write {right.words}.contains({left.words})" if right.kind == left.kind == TEXT else ""
            )
            raise self._refusal(tree, f"{right.words} is {right.kind}, and 'in' needs a list{remedy}")
        element = right.kind.element if isinstance(right.kind, _List) else ANY
        if left.kind != element and not {left.kind, element} & {ANY, NULL}:
            raise self._refusal(
                tree, f"{left.words} is {left.kind}, and {right.words} is a list of something else"
            )
        one, items = left.run, _filled(right)
        words = right.words

        def within(context: Mapping[str, Any], item: Any) -> bool:
            sought, among = one(context, item), items(context, item)
            if not isinstance(among, list):
                raise ExpressionError(f"{words} is not a list")
            kind = _kind_of(sought)
            return any(sought == each and _kind_of(each) == kind for each in among)

        return self._term(tree, BOOLEAN, within)

    def _read_addition(self, tree: Tree[Token]) -> _Term:
        sign_tree, right_tree = _trees(tree)
        sign, operation = _OPERATIONS[sign_tree.data]
        left, right = self.read(_trees(sign_tree)[0]), self.read(right_tree)
        one, other = _filled(left), _filled(right)
        if ANY in (left.kind, right.kind):
            words = f"{left.words} and {right.words}"

            def unknown(context: Mapping[str, Any], item: Any) -> Any:
                a, b = one(context, item), other(context, item)
                result = _RESULTS.get((sign, _kind_of(a), _kind_of(b)))
                if result is None:
                    raise ExpressionError(f"{words} do not go together with '{sign}'")
                return _bounded(_DECIMAL[sign](a, b) if result == NUMBER else operation(a, b))

            return self._term(tree, ANY, unknown)
        kind = _RESULTS.get((sign, left.kind, right.kind))
        if kind is None:
            raise self._refusal(
                tree,
                f"{left.words} is {left.kind} and {right.words} is {right.kind}; '{sign}' cannot join them",
            )
        if kind == NUMBER:
            calculate = _DECIMAL[sign]
            if sign in "/%":
                words = right.words

                def divided(context: Mapping[str, Any], item: Any) -> Decimal:
                    a, b = one(context, item), other(context, item)
                    if b == 0:
                        raise ExpressionError(f"{words} is 0, and nothing can be divided by it")
                    return calculate(a, b)

                return self._term(tree, kind, divided)
            return self._term(tree, kind, lambda c, i: calculate(one(c, i), other(c, i)))
        return self._term(tree, kind, lambda c, i: _bounded(operation(one(c, i), other(c, i))))

    _read_multiplication = _read_addition

    # -- values

    def _read_literal(self, tree: Tree[Token]) -> _Term:
        token = cast(Token, tree.children[0])
        try:
            kind, value = _LITERALS[token.type](token)
        except KeyError:
            raise self._refusal(
                tree, f"{self._words(tree)} is a kind of value that is not used here"
            ) from None
        except (ValueError, TypeError, LookupError, ArithmeticError):
            raise self._refusal(tree, f"{self._words(tree)} cannot be read, or is too large") from None
        return self._term(tree, kind, lambda _c, _i: value, constant=value)

    def _read_list_lit(self, tree: Tree[Token]) -> _Term:
        parts = _trees(tree.children[0]) if tree.children else []
        if len(parts) > LONGEST_LITERAL_LIST:
            raise self._refusal(tree, f"a list can have {LONGEST_LITERAL_LIST} items at most")
        terms = [self.read(part) for part in parts]
        kinds = {term.kind for term in terms} - {NULL}
        for term in terms:
            if isinstance(term.kind, _List | _Record):
                raise self._refusal(tree, f"{term.words} is {term.kind}, and a list holds single values")
        if len(kinds) > 1 and ANY not in kinds:
            raise self._refusal(tree, "the items of a list must be of one kind")
        runs = [term.run for term in terms]
        element = ANY if len(kinds) != 1 else kinds.pop()
        return self._term(tree, _List(element), lambda c, i: [run(c, i) for run in runs])

    def _read_map_lit(self, tree: Tree[Token]) -> _Term:
        raise self._refusal(tree, "{…} is not used here; write a list, for example ['gold', 'silver']")

    # -- names

    def _read_ident(self, tree: Tree[Token]) -> _Term:
        return self._named(tree)

    def _read_member_dot(self, tree: Tree[Token]) -> _Term:
        return self._named(tree)

    def _read_member_index(self, tree: Tree[Token]) -> _Term:
        base, index = _trees(tree)
        if _text_literal(index) is not None:
            return self._named(tree)
        items, position = self.read(base), self.read(index)
        if not isinstance(items.kind, _List) or position.kind != NUMBER:
            raise self._refusal(
                tree, "[…] takes a name in quotation marks, or the number of an item in a list"
            )
        all_items, at, words = _filled(items), _filled(position), items.words

        def item_at(context: Mapping[str, Any], item: Any) -> Any:
            found, number = all_items(context, item), at(context, item)
            if number != int(number) or not 0 <= number < len(found):
                raise ExpressionError(f"{words} has no item {number}; it has {len(found)}")
            return found[int(number)]

        name = None if items.name is None else f"{items.name}[]"
        return self._term(tree, items.kind.element, item_at, name=name)

    def _named(self, tree: Tree[Token]) -> _Term:
        """A declared name with all its dots, looked up in one go."""
        base, steps = tree, list[tuple[str, Tree[Token]]]()
        while base.data in ("member_dot", "member_index"):
            if base.data == "member_dot":
                step: str | None = str(base.children[1])
            else:
                step = _text_literal(_trees(base)[1])
                if step is None:
                    break
            assert step is not None
            steps.append((step, base))
            base = _stripped(_trees(base)[0])
        steps.reverse()
        if base.data == "ident":
            first = str(base.children[0])
            if first == self._variable and self._item is not None:
                return self._below(tree, self._item, steps)
            return self._below(tree, None, [(first, base), *steps])
        return self._below(tree, self.read(base), steps)

    def _below(self, tree: Tree[Token], base: _Term | None, steps: list[tuple[str, Tree[Token]]]) -> _Term:
        kind: _Kind = self.root if base is None else base.kind
        name = "" if base is None else base.name or base.words
        for step, at in steps:
            members = dict(kind.members) if isinstance(kind, _Record) else {}
            if step not in members:
                raise self._refusal(at, self._unknown(name, step, kind))
            kind, name = members[step], f"{name}.{step}" if name else step
        if base is None or base.name is not None:
            self.names.add(name)
        if self._variable is not None and steps and (isinstance(kind, _List) or kind == ANY):
            self._lists_per_item += 1
            if self._lists_per_item > MOST_LISTS_PER_ITEM:
                raise self._refusal(tree, "too many lists are gone through for each item of another list")
        keys = tuple(step for step, _ in steps)
        return self._term(tree, kind, _lookup(base, keys, kind, name), name=name, words=name)

    def _unknown(self, name: str, step: str, kind: _Kind) -> str:
        asked = f"{name}.{step}" if name else step
        if not isinstance(kind, _Record):
            return f"{name} is {kind}, and has no '{step[:40]}'"
        siblings = [member for member, _ in kind.members]
        close = difflib.get_close_matches(step[:60], siblings, n=1)
        nearest = [f"{name}.{each}" if name else each for each in close]
        nearest += [path for path in _paths(self.root) if path.rpartition(".")[2] == step][:2]
        if nearest:
            return f"'{asked[:80]}' is not declared; did you mean {' or '.join(dict.fromkeys(nearest))}?"
        known = ", ".join(sorted(siblings)[:12])
        return f"'{asked[:80]}' is not declared; {name or 'an expression'} can use {known or 'nothing'}"

    # -- functions

    def _read_ident_arg(self, tree: Tree[Token]) -> _Term:
        function, arguments = str(tree.children[0]), _arguments(tree, 1)
        if function not in _FUNCTIONS:
            raise self._refusal(tree, _no_such("function", function, _FUNCTIONS))
        if len(arguments) != 1:
            raise self._refusal(tree, f"{function}(…) takes one value")
        if function == "has":
            return self._has(tree, self.read(arguments[0]))
        if function == "size":
            return self._size(tree, self.read(arguments[0]))
        text = _text_literal(arguments[0])
        if text is None:
            raise self._refusal(tree, f"{function}(…) takes a text in quotation marks")
        kind, read, example = _MOMENTS[function]
        try:
            value = read(text)
        except (ValueError, TypeError, OverflowError) as error:
            reason = (
                f"{error}; or" if isinstance(error, ExpressionError) else f"'{text[:40]}' cannot be read;"
            )
            raise self._refusal(tree, f"{reason} write for example {example}") from None
        return self._term(tree, kind, lambda _c, _i: value, constant=value)

    def _has(self, tree: Tree[Token], term: _Term) -> _Term:
        if term.name is None:
            raise self._refusal(tree, "has(…) takes a declared name")
        run = term.run
        return self._term(tree, BOOLEAN, lambda c, i: not _is_empty(run(c, i)))

    def _size(self, tree: Tree[Token], term: _Term) -> _Term:
        if term.kind not in (TEXT, ANY) and not isinstance(term.kind, _List):
            raise self._refusal(tree, f"{term.words} is {term.kind}; only a list or a text has a size")
        value, words = _filled(term), term.words

        def size(context: Mapping[str, Any], item: Any) -> int:
            sized = value(context, item)
            if not isinstance(sized, list | str):
                raise ExpressionError(f"{words} is neither a list nor a text")
            return len(sized)

        return self._term(tree, NUMBER, size)

    def _read_member_dot_arg(self, tree: Tree[Token]) -> _Term:
        method, arguments = str(tree.children[1]), _arguments(tree, 2)
        if method == "matches":
            raise self._refusal(
                tree,
                "matches(…) is not used here; use contains, startsWith or endsWith, "
                "or a pattern on the field",
            )
        if method not in _METHODS:
            raise self._refusal(tree, _no_such("method", method, _METHODS))
        subject = self.read(_trees(tree)[0])
        if method in _MACROS:
            return self._macro(tree, method, subject, arguments)
        if method == "size" and not arguments:
            return self._size(tree, subject)
        terms = [self.read(argument) for argument in arguments]
        for term in (subject, *terms):
            if term.kind not in (TEXT, ANY):
                raise self._refusal(tree, f"{term.words} is {term.kind}, and {method}(…) works on text")
        if len(terms) != (method in _TEXT_METHODS):
            raise self._refusal(
                tree, f"{method}(…) takes {'one text' if method in _TEXT_METHODS else 'nothing'}"
            )
        value = _filled(subject)
        if method == "lowerAscii":
            return self._term(tree, TEXT, lambda c, i: _text(value(c, i)).lower())
        test, part = _TEXT_METHODS[method], _filled(terms[0])
        return self._term(tree, BOOLEAN, lambda c, i: test(_text(value(c, i)), _text(part(c, i))))

    def _macro(self, tree: Tree[Token], macro: str, subject: _Term, arguments: list[Tree[Token]]) -> _Term:
        if self._variable is not None:
            raise self._refusal(
                tree, f"{macro}(…) cannot stand inside another such step; split the expression"
            )
        if not isinstance(subject.kind, _List) or subject.name is None:
            raise self._refusal(tree, f"{macro}(…) goes through a declared list, and {subject.words} is none")
        variable = _stripped(arguments[0]) if len(arguments) == 2 else tree
        if variable.data != "ident":
            raise self._refusal(
                tree, f"write {macro}(item, …) with a name for the item and what to ask of it"
            )
        self._variable, self._lists_per_item = str(variable.children[0]), 0
        if self._variable in dict(self.root.members):
            raise self._refusal(
                variable, f"'{self._variable}' is declared already; choose another name for the item"
            )
        self._item = self._term(variable, subject.kind.element, _item_itself, name=f"{subject.name}[]")
        try:
            body = self.read(arguments[1])
        finally:
            self._variable = self._item = None
        items = _filled(subject)
        if macro == "map":
            if isinstance(body.kind, _List | _Record):
                raise self._refusal(tree, f"{body.words} is {body.kind}, and a list holds single values")
            each = body.run
            return self._term(tree, _List(body.kind), lambda c, i: [each(c, item) for item in items(c, i)])
        test = self._truth(body)
        if macro == "filter":
            return self._term(
                tree, subject.kind, lambda c, i: [item for item in items(c, i) if test(c, item)]
            )
        if macro == "exists_one":
            return self._term(tree, BOOLEAN, lambda c, i: sum(test(c, item) for item in items(c, i)) == 1)
        decisive = macro == "exists"
        return self._term(
            tree, BOOLEAN, lambda c, i: _decide(decisive, ((test, c, item) for item in items(c, i)))
        )

    # -- words

    def _term(
        self,
        tree: Tree[Token],
        kind: _Kind,
        run: _Run,
        *,
        name: str | None = None,
        words: str | None = None,
        constant: Any = None,
    ) -> _Term:
        line, column = _place(tree)
        return _Term(kind, run, words or self._words(tree), column, line, name, constant)

    def _words(self, tree: Tree[Token]) -> str:
        start, end = getattr(tree.meta, "start_pos", None), getattr(tree.meta, "end_pos", None)
        if start is None or end is None:
            return "this"
        words = " ".join(self.text[start:end].split())
        return words if len(words) <= 40 else f"{words[:39]}…"

    def _refusal(self, tree: Tree[Token], sentence: str) -> ExpressionError:
        line, column = _place(tree)
        return ExpressionError(sentence, column, line)


# -- running ---------------------------------------------------------------------------------------------


def _decide(decisive: bool, tests: Iterable[tuple[_Run, Mapping[str, Any], Any]]) -> bool:
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


def _item_itself(_context: Mapping[str, Any], item: Any) -> Any:
    return item


def _filled(term: _Term) -> _Run:
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


def _lookup(base: _Term | None, keys: tuple[str, ...], kind: _Kind, name: str) -> _Run:
    """Finds a declared value below ``base``, or in the context. What is absent is None."""
    start = None if base is None else base.run
    if not keys and start is not None:
        return start
    convert = _converter(kind)

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


def _checked(
    compare: Callable[[Any, Any], Any], left: str, right: str, *, equality: bool, negated: bool
) -> Callable[[Any, Any], Any]:
    """A comparison of values whose kinds are only known now."""

    def checked(a: object, b: object) -> Any:
        if _kind_of(a) == _kind_of(b):
            return compare(a, b)
        if equality:
            return negated
        raise ExpressionError(f"{left} and {right} are not alike, and cannot be compared")

    return checked


def _bounded(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        raise ExpressionError(f"a text grows longer than {LONGEST_VALUE} characters")
    return value


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list) and not value)


# -- reading ---------------------------------------------------------------------------------------------


def _stripped(tree: Tree[Token]) -> Tree[Token]:
    """``tree`` without the layers that only pass on what is below them."""
    while tree.data in _WRAPPERS and len(tree.children) == 1:
        tree = cast("Tree[Token]", tree.children[0])
    return tree


def _trees(tree: Tree[Token] | Token) -> list[Tree[Token]]:
    return [child for child in cast("Tree[Token]", tree).children if isinstance(child, Tree)]


def _arguments(tree: Tree[Token], position: int) -> list[Tree[Token]]:
    return _trees(tree.children[position]) if len(tree.children) > position else []


def _place(tree: Tree[Token]) -> tuple[int, int | None]:
    return getattr(tree.meta, "line", 1), getattr(tree.meta, "column", None)


def _text_literal(tree: Tree[Token]) -> str | None:
    """The text that ``tree`` is, if it is a text in quotation marks."""
    tree = _stripped(tree)
    if tree.data != "literal":
        return None
    token = cast(Token, tree.children[0])
    if token.type not in ("STRING_LIT", "MLSTRING_LIT"):
        return None
    try:
        return str(celstr(token))
    except (ValueError, TypeError, LookupError):
        return None


def _hint(one: _Kind, other: _Kind) -> str:
    kinds = {one, other}
    if kinds == {TIMESTAMP, TEXT}:
        return "; write timestamp('2026-12-24T12:00:00Z')"
    if kinds == {DATE, TEXT}:
        return "; write date('2026-12-24')"
    if kinds == {NUMBER, TEXT}:
        return "; write numbers without quotation marks"
    return ""


def _no_such(what: str, name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name[:60], known, n=1)
    remedy = f"did you mean {close[0]}(…)?" if close else f"use one of {', '.join(known)}"
    return f"there is no {what} '{name[:40]}'; {remedy}"


def _paths(kind: _Kind, name: str = "") -> Iterator[str]:
    """Every dotted name below ``kind``."""
    for member, below in kind.members if isinstance(kind, _Record) else ():
        path = f"{name}.{member}" if name else member
        yield path
        yield from _paths(below, path)


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


_MOMENTS: Final[dict[str, tuple[_Kind, Callable[[str], Any], str]]] = {
    "timestamp": (TIMESTAMP, _timestamp, "timestamp('2026-12-24T12:00:00Z')"),
    "date": (DATE, _date, "date('2026-12-24')"),
    "duration": (DURATION, _cel_duration, "duration('36h') or duration('3 days')"),
}


def _whole(token: str) -> tuple[_Kind, Any]:
    if len(token) > MOST_DIGITS:
        raise ValueError
    return NUMBER, _number(int(token, 16 if "x" in token else 10))


_LITERALS: Final[dict[str, Callable[[Token], tuple[_Kind, Any]]]] = {
    "INT_LIT": _whole,
    "FLOAT_LIT": lambda token: (NUMBER, _number(Decimal(str(token)))),
    "STRING_LIT": lambda token: (TEXT, str(celstr(token))),
    "MLSTRING_LIT": lambda token: (TEXT, str(celstr(token))),
    "BOOL_LIT": lambda literal: (BOOLEAN, literal.value != "false"),
    "NULL_LIT": lambda _token: (NULL, None),
}
