"""CEL's grammar as cel-python has it, sentences for what cannot be read, and small steps in its trees."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final, cast

from celpy.evaluation import celstr
from lark import Lark, Token, Tree
from lark.exceptions import LarkError, UnexpectedCharacters, UnexpectedToken

from lifecycle.core.expressions.errors import ExpressionError


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


def parse(text: str) -> Tree[Token]:
    """The tree of an expression; raises ExpressionError with what is wrong and where."""
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


def stripped(tree: Tree[Token]) -> Tree[Token]:
    """``tree`` without the layers that only pass on what is below them."""
    while tree.data in _WRAPPERS and len(tree.children) == 1:
        tree = cast("Tree[Token]", tree.children[0])
    return tree


def trees(tree: Tree[Token] | Token) -> list[Tree[Token]]:
    """The parts of ``tree`` that are trees themselves."""
    return [child for child in cast("Tree[Token]", tree).children if isinstance(child, Tree)]


def arguments_of(tree: Tree[Token], position: int) -> list[Tree[Token]]:
    """The arguments of a call, which stand at ``position``; none are an empty list."""
    return trees(tree.children[position]) if len(tree.children) > position else []


def place_of(tree: Tree[Token]) -> tuple[int, int | None]:
    """Line and column, from 1, where ``tree`` begins."""
    return getattr(tree.meta, "line", 1), getattr(tree.meta, "column", None)


def text_literal(tree: Tree[Token]) -> str | None:
    """The text that ``tree`` is, if it is a text in quotation marks."""
    tree = stripped(tree)
    if tree.data != "literal":
        return None
    token = cast(Token, tree.children[0])
    if token.type not in ("STRING_LIT", "MLSTRING_LIT"):
        return None
    try:
        return str(celstr(token))
    except (ValueError, TypeError, LookupError):
        return None
