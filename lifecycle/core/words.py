"""The product's own words in the reader's language, from the catalogs in `translations/`.

English is the source: a sentence stands in the code as it is read, and a catalog says it in another language.
What a playbook says has catalogs of its own (`own`).
Whatever is kept (evidence, proofs, notices to staff) is written without these, or inside `speaking("en")`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask_babel import force_locale, get_locale, refresh
from markupsafe import Markup

LANGUAGES: Final = {"en": "English", "fr": "Français", "es": "Español", "ar": "العربية"}
"""The languages of clients' pages, by their own names."""
SOURCE: Final = "en"
RIGHT_TO_LEFT: Final = frozenset({"ar"})
_Place = tuple[str | None, str | None]
Words = Mapping[str, Mapping[str, str]]
"""Sentences of somebody's own by language, each with its translation."""
_preferred: ContextVar[_Place] = ContextVar("preferred_place", default=(None, None))
_own: ContextVar[Words] = ContextVar("own_words", default=MappingProxyType({}))
CATALOGS: Final = Path(__file__).parents[1] / "translations"


def _(text: str, /, **variables: Any) -> str:
    """Return a sentence in the language of the reader; outside of an application, as it stands.

    Args:
        variables: what its placeholders stand for, like `%(name)s`.
    """
    return translated(text, current_language(), **variables)


def ngettext(one: str, many: str, number: int, /, **variables: Any) -> str:
    """Return the sentence for a number of things, which is its placeholder `num`."""
    language = current_language()
    found = catalog(language).ngettext(one, many, number)
    return found % _isolated(language, {"num": number, **variables})


def translated(text: str, language: str, /, **variables: Any) -> str:
    """Return a sentence in a language."""
    found = catalog(language).gettext(text)
    return found % _isolated(language, variables) if variables else found


def marked(text: str) -> str:
    """Return `text` as it stands, and put it into the catalogs: it is translated where it is used."""
    return text


def current_language() -> str:
    """Return the language of whoever reads what is written now; English outside of an application."""
    locale = get_locale()
    return str(locale.language) if locale is not None else SOURCE


def reading_place() -> str:
    """Return whose customs values are shown by on a client's page.

    Also of English: what is kept is English too, and writes 30 Nov 2026 where clients read 30 November 2026.
    """
    language = current_language()
    return "en_GB" if language == SOURCE else language


def direction() -> str:
    """Return which way the current language is written, `ltr` or `rtl`."""
    return "rtl" if current_language() in RIGHT_TO_LEFT else "ltr"


def direction_of(text: str) -> str:
    """Return which way most words of a text are written; the current language's way if it has none.

    `dir="auto"` asks the first letter alone, and an Arabic letter that begins with a Latin name is read
    from the wrong end.
    """
    plain = text.striptags() if isinstance(text, Markup) else text
    ways = [way for word in plain.split() if (way := _way_of(word))]
    if not ways:
        return direction()
    return "rtl" if ways.count("rtl") * 2 >= len(ways) else "ltr"


def _way_of(word: str) -> str | None:
    """Return which way a word is written, by its first letter; None for what has no letter."""
    kinds = (unicodedata.bidirectional(letter) for letter in word)
    return next(("ltr" if kind == "L" else "rtl" for kind in kinds if kind in ("L", "R", "AL")), None)


def language_for(own: str | None) -> str:
    """Return the language to write to somebody in: their own, else the one of the page that they act on."""
    return own if own in LANGUAGES else current_language()


@contextmanager
def speaking(language: str, words: Words | None = None) -> Iterator[None]:
    """Let what is written meanwhile be in a language; needs an application context.

    Args:
        words: those of the playbook that it is about.
    """
    before = _own.get()
    _own.set(words if words is not None else before)
    try:
        with force_locale(language):
            yield
    finally:
        _own.set(before)


def prefer(language: str | None, time_zone: str | None = None) -> None:
    """Note the language and time zone of whoever a page is for; None forgets them. The web decides on it."""
    if _preferred.get() != (language, time_zone):
        _preferred.set((language, time_zone))
        # What was said before was in another language; what comes is asked anew.
        refresh()


def own(text: str, language: str | None = None) -> str:
    """Return a sentence of the playbook at hand in the reader's language; as it stands if it has no other.

    Args:
        language: another than the reader's.
    """
    return said_in(_own.get(), text, language or current_language())


def said_in(words: Words, text: str, language: str) -> str:
    """Return a sentence of a playbook in a language, from that playbook's words."""
    return words.get(language, {}).get(text.strip(), text)


def speak_for(words: Words) -> None:
    """Let `own` know the words of the playbook that a page is about."""
    _own.set(words)


def forget_reader() -> None:
    """Forget whom the last page was for: a thread serves one request after the other."""
    prefer(None)
    _own.set(MappingProxyType({}))


def preferred() -> tuple[str | None, str | None]:
    """Return language and time zone as `prefer` noted them."""
    return _preferred.get()


@cache
def catalog(language: str) -> NullTranslations:
    """Return the sentences of a language, read once a process; those of an unknown one stay English."""
    if language == SOURCE or language not in LANGUAGES:
        return NullTranslations()
    with (CATALOGS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        read = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _isolated(language: str, variables: dict[str, Any]) -> dict[str, Any]:
    # Between Arabic words a Latin name would draw the full stop to its wrong side.
    if language not in RIGHT_TO_LEFT:
        return variables
    return {
        name: f"\u2068{value}\u2069" if isinstance(value, str) else value for name, value in variables.items()
    }
