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

from lifecycle.core.expressions.errors import ExpressionError
from lifecycle.core.expressions.expression import Expression, compile_expression
from lifecycle.core.expressions.kinds import Declared

__all__ = ["Declared", "Expression", "ExpressionError", "compile_expression"]
