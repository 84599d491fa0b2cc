"""Each person's language and time zone."""

from __future__ import annotations

from typing import Final

from flask import Flask, current_app, has_request_context, request
from flask_babel import Babel
from flask_login import current_user
from jinja2 import Environment
from werkzeug.exceptions import HTTPException

from lifecycle.core.words import (
    LANGUAGES,
    SOURCE,
    catalog,
    current_language,
    direction,
    direction_of,
    forget_reader,
    own,
    preferred,
)

COOKIE: Final = "language"
"""Holds the language that a client chose by a button."""
_NO_ZONE: Final = "UTC"
_CLIENTS: Final = ("/c/", "/p/", "/s/")


def init_app(app: Flask, babel: Babel) -> None:
    """Give pages their words, and dates and numbers the same locale."""
    babel.init_app(app, timezone_selector=time_zone, locale_selector=locale)
    app.before_request(forget_reader)
    offer_words(app.jinja_env)


def offer_words(environment: Environment) -> None:
    """Give templates the catalogs; autoescaping goes on, and placeholders are by name."""
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # The extension brings it.
        gettext=lambda text: catalog(current_language()).gettext(text),
        ngettext=lambda one, many, number: catalog(current_language()).ngettext(one, many, number),
        newstyle=True,
    )
    environment.globals.update(
        language=current_language,
        direction=direction,
        direction_of=direction_of,
        languages=LANGUAGES,
        own=own,
        same_page=same_page,
        place=place,
        is_zone_known=is_zone_known,
    )


def time_zone() -> str:
    """Return the time zone that dates are shown in: the user's own, or the contact's; else UTC."""
    if not has_request_context():
        return _NO_ZONE
    if is_for_client():
        return preferred()[1] or _NO_ZONE
    if current_user.is_authenticated:
        zone: str = current_user.time_zone
        return zone
    return _NO_ZONE


def is_zone_known() -> bool:
    """Say whether the times of a page are its reader's own; those of a client may not be."""
    return not (has_request_context() and is_for_client()) or preferred()[1] is not None


def place() -> str:
    """Return where the times of a page are meant, in a word: the city of its time zone, or UTC."""
    return time_zone().rpartition("/")[2].replace("_", " ")


def locale() -> str:
    """Return the language of pages: of a client's what they chose, else their own, else their browser's.

    Staff read English, and so does whoever opens no client's page.
    """
    if not has_request_context() or not is_for_client():
        return SOURCE
    chosen = request.cookies.get(COOKIE)
    return chosen if chosen in LANGUAGES else locale_unchosen()


def locale_unchosen() -> str:
    """Return the language of a client's page if nothing was chosen by a button."""
    for language in (preferred()[0], request.accept_languages.best_match(LANGUAGES)):
        if language in LANGUAGES:
            return str(language)
    return SOURCE


def is_for_client() -> bool:
    """Say whether the request is about a client's page, whether there is one or not."""
    return request.blueprint == "client_pages" or is_for_clients(request.path)


def is_for_clients(path: str) -> bool:
    """Say whether a path is one of clients' pages."""
    return path.startswith(_CLIENTS)


def same_page() -> str:
    """Return where the page at hand can be looked at again: its own path, else the nearest above it."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    return request.path if _is_shown(request.path) else page_above(request.path)


def page_above(path: str) -> str:
    """Return the nearest page above an address of a client's link that only takes forms."""
    parts = path.split("/")
    above = ("/".join(parts[:count]) for count in range(len(parts) - 1, 3, -1))
    return next((each for each in above if _is_shown(each)), "/".join(parts[:3]))


def _is_shown(path: str) -> bool:
    try:
        current_app.url_map.bind("").match(path, method="GET")
    except HTTPException:
        return False
    return True
