"""Time zones by the names of their countries and cities, in the reader's language."""

from __future__ import annotations

import unicodedata
from functools import cache

from babel import Locale
from babel.core import get_global
from babel.dates import get_timezone_location

from lifecycle.core.words import LANGUAGES, SOURCE, current_language
from lifecycle.records.people.fields import time_zones


def named_zones() -> tuple[tuple[str, str], ...]:
    """Return every zone with its name, like `Spain (Madrid)`, in the order of the names; UTC first."""
    language = current_language()
    return _named(language if language in LANGUAGES else SOURCE)


def zone_name(zone: str) -> str:
    """Return how a zone is called; one that this machine does not know keeps its own name."""
    return dict(named_zones()).get(zone, zone)


@cache
def _named(language: str) -> tuple[tuple[str, str], ...]:
    locale = Locale(language)
    countries = get_global("zone_territories")
    named = [
        (zone, f"{country} ({get_timezone_location(zone, locale=locale, return_city=True)})")
        for zone in time_zones()
        if (country := locale.territories.get(countries.get(zone, "")))
    ]
    return (("UTC", "UTC"), *sorted(named, key=lambda each: _unaccented(each[1])))


def _unaccented(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
