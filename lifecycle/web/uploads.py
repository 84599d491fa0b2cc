"""What came along with a request: read once, within the limit, and looked at by the virus scanner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import current_app, g, request
from werkzeug.datastructures import FileStorage

from lifecycle.core.errors import Invalid
from lifecycle.core.words import _
from lifecycle.records.files.scan import scan
from lifecycle.records.files.store import clean_name

_QUESTION: Final = "ask-"


@dataclass(frozen=True)
class Upload:
    """A file as it was sent: its name is its sender's, its bytes are within the limit and looked at."""

    name: str
    content: bytes


def check_uploads() -> None:
    """Read and check every file of this request; before a transaction, for a scanner takes its time.

    Raises:
        Invalid: one is too large, or the scanner does not let it pass; by the name of its field, of a
            question by its key.
    """
    if "uploads" not in g:
        g.uploads = {
            field: [_checked(field, each) for each in request.files.getlist(field) if each.filename]
            for field in request.files
        }


def uploads_of(field: str) -> list[Upload]:
    """Return what was sent in a field; raises as `check_uploads`."""
    check_uploads()
    found: list[Upload] = g.uploads.get(field, [])
    return found


def upload_of(field: str) -> Upload | None:
    """Return the one file of a field, or None; raises as `check_uploads`."""
    found = uploads_of(field)
    return found[0] if found else None


def _checked(field: str, upload: FileStorage) -> Upload:
    settings = current_app.extensions["settings"]
    name = clean_name(upload.filename or "")
    content = upload.read(settings.max_upload_bytes + 1)
    try:
        if len(content) > settings.max_upload_bytes:
            most = settings.max_upload_bytes // 2**20
            sentence = _("“%(name)s” is too large: a file may have %(most)s MB.", name=name, most=most)
            raise Invalid(sentence)  # noqa: TRY301
        if settings.scan_command:
            scan(name, content, settings.scan_command)
    except Invalid as refusal:
        raise Invalid(refusal.sentence, {field.removeprefix(_QUESTION): refusal.sentence}) from None
    return Upload(upload.filename or "", content)
