"""Handing over a file in pieces, while neither its bytes nor a transaction are held for a slow reader."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain
from typing import cast

from flask import Response, request, send_file

from lifecycle.records.files.store import OpenFile
from lifecycle.records.files.thumbnails import read_thumbnail


def sent_file(file: OpenFile, *, mimetype: str, as_attachment: bool) -> Response:
    """Return a file as an answer; the door adds what its readers' browsers are told besides.

    Raises:
        StorageAway, Unreadable: its first piece cannot be read. Of a later one the answer breaks off.
    """
    stored = file.stored
    # The headers are Flask's own, of an empty file.
    response = send_file(
        BytesIO(),
        mimetype=mimetype,
        as_attachment=as_attachment,
        download_name=stored.name,
        etag=stored.sha256,
        last_modified=stored.uploaded_at,
        conditional=False,
    )
    response.response = file.pieces
    response.content_length = stored.size
    response.make_conditional(request, accept_ranges=file.has_parts, complete_length=stored.size)
    if request.method == "GET" and response.status_code in (200, 206):
        response.response = _begun(cast(Iterable[bytes], response.response))
    return response


def _begun(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Read the first piece now, while there can still be another answer."""
    rest = iter(pieces)
    return chain([next(rest, b"")], rest)


def sent_thumbnail(file_id: uuid.UUID) -> Response:
    """Return a file's thumbnail, for whoever may see the file; that is the door's to say.

    Raises:
        NotFound: it has none.
    """
    sha256, content = read_thumbnail(file_id)
    response = Response(content, mimetype="image/webp")
    response.set_etag(f"{sha256}-small")
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # As with the file itself: kept by the reader's browser, and asked for again each time.
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response
