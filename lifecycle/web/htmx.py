"""The one place that decides between fragment and page, and that speaks htmx's response headers."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, make_response, redirect, render_template, request
from htmx_flask import request as htmx_request


def is_fragment_request() -> bool:
    """Say whether htmx asks for a part of a page; a history restore wants the whole page."""
    asked = htmx_request.htmx
    return bool(asked) and not asked.history_restore_request


def render(fragment: str, page: str, /, status: int = 200, **context: Any) -> Response:
    """Return the fragment to htmx and the page to everybody else.

    The same context serves both: a page includes the fragment it is made of.
    """
    response = make_response(render_template(fragment if is_fragment_request() else page, **context), status)
    response.vary.add("HX-Request")
    return response


def render_fragment(template: str, status: int = 200, **context: Any) -> Response:
    """Return a fragment whoever asks."""
    response = make_response(render_template(template, **context), status)
    response.vary.add("HX-Request")
    return response


def retarget(response: Response, target: str, swap: str = "innerHTML") -> Response:
    """Make htmx put this answer into `target` whatever the element asked for."""
    # htmx-flask 0.1.0 refuses several swap words, hence the header itself.
    response.headers["HX-Retarget"] = target
    response.headers["HX-Reswap"] = swap
    return response


def go_to(address: str) -> Response:
    """Lead to another page after a POST: 303, or htmx's own header, since it never sees a 3xx."""
    if request.headers.get("HX-Request") == "true":
        return Response(status=204, headers={"HX-Redirect": address})
    return cast(Response, redirect(address, 303))
