"""Checked expressions: compiled once, evaluated often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lifecycle.core.expressions.errors import ExpressionError
from lifecycle.core.expressions.grammar import parse
from lifecycle.core.expressions.kinds import ANY, BOOLEAN, Declared, Record, read_kind
from lifecycle.core.expressions.limits import LONGEST_TEXT
from lifecycle.core.expressions.reader import EXAMPLE, Reader
from lifecycle.core.expressions.running import Run


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A checked expression. Immutable, without state, and safe to share between threads."""

    text: str
    names: frozenset[str]
    """The declared names it reads, dotted; ``account.cards[].amount`` is read of the items of a list."""
    _run: Run

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
        raise ExpressionError(f"the expression is empty; {EXAMPLE}")
    if len(text) > LONGEST_TEXT:
        raise ExpressionError(
            f"the expression is longer than {LONGEST_TEXT} characters; split it into several checks"
        )
    root = Record(tuple((name, read_kind(each, name)) for name, each in declared.items()))
    return _compiled(text, root)


@lru_cache(maxsize=2048)
def _compiled(text: str, root: Record) -> Expression:
    tree = parse(text)
    reader = Reader(text, root)
    term = reader.read(tree)
    if term.kind not in (BOOLEAN, ANY):
        raise ExpressionError(
            f"the expression must answer yes or no, but {term.words} is {term.kind}; {EXAMPLE}",
            term.column,
            term.line,
        )
    return Expression(text, frozenset(reader.names), term.run)
