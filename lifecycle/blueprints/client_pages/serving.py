"""What all pages behind a client's link share: headers, uploads, one answer for links that open nothing."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from flask import Response, make_response, render_template, request, send_file

from lifecycle.core.errors import NotFound
from lifecycle.core.tokens import hash_token
from lifecycle.core.words import _, current_language
from lifecycle.governance.requests.answer import Answering
from lifecycle.governance.requests.codes import CODE_LASTS
from lifecycle.records.files.models import StoredFile
from lifecycle.records.files.store import OpenFile
from lifecycle.web.files import sent_file
from lifecycle.web.uploads import Upload

_OWN = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


def by_token() -> str:
    """The link, hashed: limits are kept in Redis, where no link belongs."""
    return hash_token(str((request.view_args or {}).get("token", "")))


def gone(token: str, why: NotFound, kind: str = "request") -> Response:
    """Return the one answer for links that open nothing, whatever the reason.

    Args:
        kind: request, portal, or secret: of the last no new link can be asked for.
    """
    door = {"request": "c", "portal": "p", "secret": ""}[kind]
    content = render_template("client_pages/gone.html", token=token, door=door, sentence=why.sentence)
    return answered(content, 404)


def answered(content: str, status: int = 200) -> Response:
    """Return a page of a client."""
    return with_own(make_response(content, status))


def with_own(response: Response) -> Response:
    """Add the headers of these pages: the address is the key, and must not travel on in a Referer."""
    response.headers.update(_OWN)
    return response


def came_from() -> dict[str, str]:
    """Return where a client's act comes from, for its proof."""
    return {
        "address": request.remote_addr or "",
        "user_agent": request.headers.get("User-Agent", "")[:400],
        "language": current_language(),
    }


def code_sent(address: str) -> str:
    """Return what is said once a code is on its way."""
    minutes = int(CODE_LASTS.total_seconds() // 60)
    return _(
        "We sent a code to %(address)s. It is good for %(minutes)s minutes.", address=address, minutes=minutes
    )


def keep_uploads(held: Answering, uploads: Iterable[Upload]) -> list[StoredFile]:
    """Keep what was uploaded and checked."""
    return [upload.keep(held.actor) for upload in uploads]


def inert(file: OpenFile) -> Response:
    """Return a file that somebody uploaded, for keeping: nothing in it can act as this site."""
    response = sent_file(file, mimetype="application/octet-stream", as_attachment=True)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return with_own(response)


def paper(file: OpenFile) -> Response:
    """Return a PDF of our own making that was kept."""
    return with_own(sent_file(file, mimetype="application/pdf", as_attachment=True))


def handed_over(name: str, pdf: bytes) -> Response:
    """Return a PDF for keeping."""
    return with_own(
        send_file(BytesIO(pdf), mimetype="application/pdf", as_attachment=True, download_name=name)
    )
