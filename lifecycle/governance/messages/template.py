"""Texts with places, in a small, safe part of Jinja: `{{ card.plan }}`, `{% if card.plan %}`, a few filters.

An author's text is data. It is parsed, every part of it is held against a list of what may stand there, and
every name against what is declared, when the playbook is published; so what is sent later cannot fail for a
misspelled name, run for long, or reach anything but the values it is given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lifecycle.core.errors import Invalid
from lifecycle.governance.language.errors import nearest, shown

FILTERS: Final = ("lower", "upper", "title", "capitalize", "trim", "default")
_ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.Filter,
    nodes.Concat,
)
MOST_DEEP: Final = 40
"""How deep parts may stand within parts. At a hundred it could be published, and no longer be sent."""
NOTHING: Final = "\u2013"
"""What stands for an empty value, so that no line ends in the air."""


def _finalize(value: Any) -> Any:
    return NOTHING if value is None or value == "" else value


def _environment(*, autoescape: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        autoescape=autoescape, undefined=StrictUndefined, finalize=_finalize, keep_trailing_newline=False
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in FILTERS}
    made.tests.clear()
    return made


_TEXT = _environment(autoescape=False)
_HTML = _environment(autoescape=True)


@dataclass(frozen=True)
class Mistake:
    """Something that cannot stand in a text, and what would be right."""

    sentence: str
    remedy: str = ""


_TOO_DEEP: Final = Mistake("too much stands within other {% if %}s and brackets", "write it in several parts")


def mistakes_in(text: str, places: Collection[str]) -> Iterator[Mistake]:
    """Yield what is wrong with an author's text; `places` are the names it may show."""
    try:
        tree = _TEXT.parse(text)
    except RecursionError:
        yield _TOO_DEEP
        return
    except TemplateSyntaxError as error:
        yield Mistake(
            f"line {error.lineno} of the text: {error.message}",
            "write {{ card.title }} or {% if card.plan %}…{% endif %}",
        )
        return
    if _is_too_deep(tree):
        yield _TOO_DEEP
        return
    for node in _all(tree):
        if not isinstance(node, _ALLOWED):
            kind = type(node).__name__.lower()
            yield Mistake(
                f"line {node.lineno} of the text: '{kind}' cannot stand in a message",
                "use {{ places }}, {% if %} and filters only",
            )
            return
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            yield Mistake(f"'{shown(node.name)}' is not a filter of messages", nearest(node.name, FILTERS))
    for name in names_in(text):
        if name not in places:
            yield Mistake(f"'{shown(name)}' is nothing a message can show", nearest(name, places))


def names_in(text: str) -> set[str]:
    """Return the names a text shows or asks for, like `card.plan`; it must parse."""
    found: set[str] = set()
    inner: set[int] = set()
    for node in _all(_TEXT.parse(text)):
        if id(node) in inner:
            continue
        if isinstance(node, nodes.Getattr):
            found.add(_dotted(node, inner))
        elif isinstance(node, nodes.Name):
            found.add(node.name)
    return found


def words_alone(text: str) -> str:
    """Return the words of a text that parses as if every place were empty and every `if` held."""
    return "".join(node.data for node in _all(_TEXT.parse(text)) if isinstance(node, nodes.TemplateData))


def _is_too_deep(tree: nodes.Node) -> bool:
    level: list[nodes.Node] = [tree]
    for _ in range(MOST_DEEP):
        level = [child for node in level for child in node.iter_child_nodes()]
    return bool(level)


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _all(child)


def _dotted(node: nodes.Expr, inner: set[int]) -> str:
    inner.add(id(node))
    if isinstance(node, nodes.Getattr):
        return f"{_dotted(node.node, inner)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else "…"


def fill_text(text: str, values: Mapping[str, Any]) -> str:
    """Return a plain text with its places filled in.

    Raises:
        Invalid: a name has no value here, which the sentence names.
    """
    return _fill(text, values, is_html=False)


def fill_html(text: str, values: Mapping[str, Any]) -> str:
    """Return an author's HTML with its places filled in, every value escaped. Raises as `fill_text`."""
    return _fill(text, values, is_html=True)


def _fill(text: str, values: Mapping[str, Any], *, is_html: bool) -> str:
    try:
        return str(_compiled(text, is_html).render(dict(values)))
    except UndefinedError as error:
        raise Invalid(f"The message cannot be filled in: {error.message}.") from None


@lru_cache(maxsize=512)
def _compiled(text: str, is_html: bool) -> Any:
    return (_HTML if is_html else _TEXT).from_string(text)
