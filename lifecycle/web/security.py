"""Headers that hold for every response: a strict content policy and no sniffing."""

from __future__ import annotations

from flask import Flask, Response, abort, request

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)


def init_app(app: Flask) -> None:
    """Set the headers on every answer, and turn away addresses that no database can look up."""
    app.before_request(_refuse_nul)
    app.after_request(_set_headers)


def _refuse_nul() -> None:
    # PostgreSQL knows no text with it, so nothing can be there.
    if "\0" in request.path:
        abort(404)


def _set_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", _POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    # Files that are handed over come with "no-cache", by which a browser may keep them on its disk.
    if request.endpoint != "static" and headers.get("Cache-Control", "no-cache") == "no-cache":
        headers["Cache-Control"] = "no-store"
    return response
