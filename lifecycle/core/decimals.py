"""Numbers as people of a place write them: `1 234,50` in French, `1.234,50` in Spanish, own digits in Arabic.

What is kept is one form, `1234.50`. Text that is no number, or could be two, stays as it was typed, and is
refused where it is read.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from lifecycle.core.words import SOURCE

_MARKS: Final = {"fr": (",", ""), "es": (",", "."), "ar": (".", ",")}
"""The decimal mark, and the mark between thousands besides a blank, by language."""
_BLANKS: Final = re.compile(r"[\s\u00a0\u202f\u2009'\u2019]")
_EASTERN: Final = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹٫٬", "01234567890123456789.,")  # noqa: RUF001 - meant
_PLAIN: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def from_place(text: str, language: str) -> str:
    """Return a number that was typed on a page of a language in the form that is kept; other text as it is.

    What a reader of that language means by it counts: `1,234` is a little more than one in French.
    """
    if language == SOURCE or language not in _MARKS:
        return text
    mark, thousands = _MARKS[language]
    number = _BLANKS.sub("", text.translate(_EASTERN))
    if thousands and _grouped(mark, thousands).fullmatch(number):
        number = number.replace(thousands, "")
    plain = number.replace(mark, ".") if number.count(mark) == 1 else number
    return plain if _PLAIN.fullmatch(plain) else text


@cache
def _grouped(mark: str, thousands: str) -> re.Pattern[str]:
    mark, thousands = re.escape(mark), re.escape(thousands)
    # No thousands begin with a 0: that is a fraction, in the form that is kept.
    return re.compile(rf"-?[1-9]\d{{0,2}}({thousands}\d{{3}})+({mark}\d+)?", re.ASCII)


def in_place(text: str, language: str) -> str:
    """Return a kept number as it stands in a field of a page of a language; other text as it is.

    `from_place` reads it as the same number again.
    """
    if language not in _MARKS or not _PLAIN.fullmatch(text):
        return text
    return text.replace(".", _MARKS[language][0])
