"""Text as people type it: what is kept of it, and how it is looked for."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, String, func, literal
from sqlalchemy.sql.elements import SQLColumnExpression

# Characters that turn the direction of what follows: they could make a name read as another one.
_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")
LONGEST_SEARCH = 200
MOST_WORDS = 8


def one_line(text: str) -> str:
    """Return text on one line, without control and direction-override characters."""
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    return " ".join(_OVERRIDES.sub("", visible).split())


def many_lines(text: str) -> str:
    """Return text with its line breaks, without other control and direction-override characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    visible = "".join(c for c in lines if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return _OVERRIDES.sub("", visible).strip()


def search_words(query: str) -> list[str]:
    """Return the words to look for: at most 8, of the first 200 characters; each must be found."""
    words = one_line(query[:LONGEST_SEARCH]).split()
    return list(dict.fromkeys(words))[:MOST_WORDS]


def folded(text: Any) -> ColumnElement[str]:
    """Return the SQL of `text` without accents and case, as the search indexes hold it."""
    return func.lifecycle_fold(text)


def contains_word(column: SQLColumnExpression[Any], word: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that `column` has `word` in it, blind to accents and case; %, _, \\ are letters.

    Escaping comes after folding, because folding makes a plain % of a full-width one.
    """
    return has_word(folded(column), word)


def starts_with(column: SQLColumnExpression[Any], text: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that `column` begins with `text`, blind to accents and case."""
    return begins_with(folded(column), text)


def has_word(folded_text: ColumnElement[Any], word: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition of `contains_word` for what was `folded` already."""
    # The operator and not concat(), which the database would work out anew for each row.
    pattern = literal("%", String()).concat(_literal_pattern(word)).concat("%")
    return folded_text.like(pattern, escape="\\")


def begins_with(folded_text: ColumnElement[Any], text: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition of `starts_with` for what was `folded` already."""
    return folded_text.like(_literal_pattern(text).concat("%"), escape="\\")


def _literal_pattern(word: str | ColumnElement[str]) -> ColumnElement[str]:
    pattern: ColumnElement[str] = folded(literal(word) if isinstance(word, str) else word)
    for special in ("\\", "%", "_"):
        pattern = func.replace(pattern, special, f"\\{special}", type_=String())
    return pattern
