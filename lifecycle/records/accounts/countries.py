"""Countries by ISO 3166 code, with the names people read."""

from __future__ import annotations

from functools import lru_cache

from babel import Locale

from lifecycle.core.text import one_line

# Unicode's own codes that name no country: outlying areas, unions, the world's unknowns, pseudo-locales.
_NO_COUNTRY = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"})


@lru_cache(maxsize=8)
def countries(language: str = "en") -> tuple[tuple[str, str], ...]:
    """Return (code, name) of every country, by name in `language`."""
    names = Locale.parse(language).territories
    found = [
        (code, name)
        for code, name in names.items()
        if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
    ]
    return tuple(sorted(found, key=lambda pair: pair[1].casefold()))


def country_name(value: str | None) -> str:
    """Return a country's name; what is no code (an import, a playbook's own text) is its own name."""
    if not value:
        return ""
    return dict(countries()).get(value, value)


def find_country(typed: str) -> str | None:
    """Return the code that a code or an English name means, or None."""
    wanted = one_line(typed).casefold()
    return next((code for code, name in countries() if wanted in (code.casefold(), name.casefold())), None)
