"""A list whose filter, order and page are its address."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from flask import Response, url_for

from lifecycle.records.accounts.queries import (
    ACCOUNT_SORTS,
    CONTACT_SORTS,
    AccountFilter,
    ContactFilter,
    Page,
)
from lifecycle.web.addresses import short_text
from lifecycle.web.htmx import is_fragment_request, render

Filter = AccountFilter | ContactFilter

# How a filter's parts are called in the address.
_NAMES = {
    "text": "q",
    "owner": "owner",
    "segment": "segment",
    "country": "country",
    "archived": "archived",
    "sort": "sort",
    "descending": "down",
    "page": "page",
}
_LAST_PAGE = 1_000_000


def account_filter(args: Mapping[str, str]) -> AccountFilter:
    """Return the filter that an address asks for; what cannot be read is passed over."""
    return AccountFilter(
        owner=_short(args, "owner"),
        segment=_short(args, "segment"),
        country=_short(args, "country"),
        **_common(args, ACCOUNT_SORTS),
    )


def contact_filter(args: Mapping[str, str]) -> ContactFilter:
    """Return the filter that an address asks for; what cannot be read is passed over."""
    return ContactFilter(**_common(args, CONTACT_SORTS))


def _common(args: Mapping[str, str], sorts: Collection[str]) -> dict[str, Any]:
    page = args.get("page", "1")
    sort = args.get("sort", "name")
    return {
        "text": _short(args, "q"),
        "archived": args.get("archived") == "1",
        "sort": sort if sort in sorts else "name",
        "descending": args.get("down") == "1",
        "page": min(int(page), _LAST_PAGE) if page.isdecimal() and len(page) < 12 else 1,
    }


def _short(args: Mapping[str, str], name: str) -> str:
    return short_text(args.get(name))


def filter_args(wanted: Filter, but: Collection[str] = ()) -> dict[str, str]:
    """Return the address's parameters: only what differs from the plain list."""
    plain = asdict(type(wanted)())
    return {
        _NAMES[name]: "1" if value is True else str(value)
        for name, value in asdict(wanted).items()
        if value != plain[name] and name not in but
    }


def address(endpoint: str, wanted: Filter) -> str:
    """Return the address of a list."""
    return url_for(endpoint, **filter_args(wanted))  # type: ignore[arg-type]


def sort_columns(endpoint: str, wanted: Filter, columns: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the table's columns; a click sorts by one, a second click the other way round."""
    found: list[dict[str, Any]] = []
    for key, label in columns:
        column: dict[str, Any] = {"label": label, "number": key == "cards"}
        if key:
            is_sorted = wanted.sort == key
            # Numbers and moments are most often wanted from the top.
            first = key in ("cards", "updated")
            down = not wanted.descending if is_sorted else first
            column["sort_url"] = address(endpoint, replace(wanted, sort=key, descending=down, page=1))
            column["sorted"] = ("desc" if wanted.descending else "asc") if is_sorted else None
        found.append(column)
    return found


def listed(
    fragment: str, whole: str, endpoint: str, wanted: Filter, *, page: Page, **context: Any
) -> Response:
    """Return the list as fragment or page, with the addresses of its neighbours."""

    def neighbour(number: int) -> str | None:
        if not 1 <= number <= page.pages or number == page.number:
            return None
        return address(endpoint, replace(wanted, page=number))

    response = render(
        fragment,
        whole,
        page=page,
        wanted=wanted,
        previous_url=neighbour(page.number - 1),
        next_url=neighbour(page.number + 1),
        live_url=address(endpoint, replace(wanted, archived=False, page=1)),
        archived_url=address(endpoint, replace(wanted, archived=True, page=1)),
        clear_url=address(endpoint, type(wanted)(archived=wanted.archived)),
        **context,
    )
    if is_fragment_request():
        response.headers["HX-Push-Url"] = address(endpoint, replace(wanted, page=page.number))
    return response
