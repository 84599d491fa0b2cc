"""Every request has an id: it is in each record of the log, in the answer, and on the page of an error.

The log names the route, never the path: a client's link carries its key in the path.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Any, Final

import sqlalchemy as sa
from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from lifecycle.core.metrics import count_request

HEADER: Final = "X-Request-ID"
log = logging.getLogger("lifecycle.requests")

# What a proxy of ours may have given: nothing that could break a line, a header or a page.
_GIVEN: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")


def init_app(app: Flask) -> None:
    """Number every request. Must come first, so that whatever else happens in a request has its id."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def current_request_id() -> str:
    """Return the id of the request at hand."""
    return str(g.request_id)


def route() -> str:
    """Return the route of the request at hand, like `/c/<token>`; the same word for all that have none."""
    return request.url_rule.rule if request.url_rule is not None else "(none)"


def _begin() -> None:
    # A thread serves one request after the other; nothing of the last one may stick.
    clear_contextvars()
    given = request.headers.get(HEADER, "")
    g.request_id = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
    g.request_began = time.perf_counter()
    bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    if "request_began" not in g:
        return response
    response.headers[HEADER] = g.request_id
    seconds = time.perf_counter() - g.request_began
    count_request(route(), request.method, response.status_code, seconds)
    if request.endpoint == "boards.show_changes" and response.status_code == 204:
        # Every open board asks all the time whether anything is new: counted, but no news.
        return response
    level = logging.ERROR if response.status_code >= 500 else logging.INFO
    log.log(
        level,
        "request",
        extra={
            "route": route(),
            "method": request.method,
            "status": response.status_code,
            "user": _user(),
            "duration_ms": round(seconds * 1000, 1),
        },
    )
    return response


def _user() -> str | None:
    """Return the id of whoever the request has loaded, without asking the database or the session for it."""
    user: Any = g.get("_login_user")
    state = sa.inspect(user, raiseerr=False) if user is not None else None
    identity = getattr(state, "identity", None)
    return str(identity[0]) if identity else None


def _forget(_error: BaseException | None) -> None:
    clear_contextvars()
