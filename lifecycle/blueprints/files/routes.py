"""`/files/<id>`: an uploaded file, as its bytes say it is and never as its sender said."""

from __future__ import annotations

import uuid

from flask import Response, request

from lifecycle.blueprints.files import files
from lifecycle.records.files.store import open_file
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.files import sent_file, sent_thumbnail

_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_PDF = "application/pdf"
# A document of its own, without origin, script, form or request.
_LOCKED = "default-src 'none'; sandbox"
# The browser's own PDF viewer does not start in a sandbox; a PDF runs nothing as this site anyway.
_PDF_LOCKED = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'"


@files.get("/files/<uuid:file_id>")
def show_file(file_id: uuid.UUID) -> Response:
    """Show a picture or a PDF, hand over everything else; `?download=1` hands over those too."""
    require(current_actor(), "accounts.read")
    file = open_file(file_id)
    stored = file.stored
    is_shown = stored.media_type in _PICTURES or stored.media_type == _PDF
    response = sent_file(
        file,
        # Text by any name is handed over as bytes: no browser then looks for markup in it.
        mimetype=stored.media_type if is_shown else "application/octet-stream",
        as_attachment=not is_shown or request.args.get("download") == "1",
    )
    response.headers["Content-Security-Policy"] = _PDF_LOCKED if stored.media_type == _PDF else _LOCKED
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Kept by the reader's own browser only, and asked for again each time: permission may have ended.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@files.get("/files/<uuid:file_id>/thumbnail")
def show_thumbnail(file_id: uuid.UUID) -> Response:
    """Show a picture made small."""
    require(current_actor(), "accounts.read")
    return sent_thumbnail(file_id)
