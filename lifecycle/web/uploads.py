"""What came along with a request: read through once, scanned for viruses, and made ready to be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import current_app, g, request
from werkzeug.datastructures import FileStorage

from lifecycle.core.db import end_reading
from lifecycle.core.errors import Invalid
from lifecycle.core.words import _, ngettext
from lifecycle.records.files.models import StoredFile
from lifecycle.records.files.pieces import StorageAway
from lifecycle.records.files.receive import Received, receive
from lifecycle.records.files.scan import scan
from lifecycle.records.files.store import Ready, keep, make_ready
from lifecycle.records.people.actor import Actor

MOST_AT_ONCE: Final = 60
"""Files of one request: each costs a process of the scanner, and a place in the bucket."""
_QUESTION: Final = "ask-"


@dataclass(frozen=True)
class Upload:
    """A file as it was sent: its name is its sender's, its bytes are within the limit and looked at.

    `ready` is None where it was only to be read.
    """

    name: str
    received: Received
    ready: Ready | None

    def read(self) -> bytes:
        """Return all its bytes."""
        return b"".join(self.received.pieces())

    def keep(self, actor: Actor) -> StoredFile:
        """Keep it in the open transaction."""
        assert self.ready is not None, "this door only reads what is uploaded"
        return keep(self.ready, actor)


def check_uploads(*, are_kept: bool = True) -> None:
    """Read and check every file of this request; before a transaction, for a scanner and a
    bucket take their time.

    Args:
        are_kept: they are to be kept as they are, and so must be of a kind that is taken.

    Raises:
        Invalid: there are too many; one is too large or of another kind, the scanner does not let it pass,
            or it could not be put where files are kept; by the name of its field, of a question by its key.
    """
    if "uploads" not in g:
        # What was read so far is over: the database waits for nobody's scanner.
        end_reading()
        sent = {field: [e for e in request.files.getlist(field) if e.filename] for field in request.files}
        _refuse_too_many(sent)
        g.uploads = {field: [_checked(field, e, are_kept) for e in files] for field, files in sent.items()}


def uploads_of(field: str) -> list[Upload]:
    """Return what was sent in a field; raises as `check_uploads`."""
    check_uploads()
    found: list[Upload] = g.uploads.get(field, [])
    return found


def upload_of(field: str) -> Upload | None:
    """Return the one file of a field, or None; raises as `check_uploads`."""
    found = uploads_of(field)
    return found[0] if found else None


def _refuse_too_many(sent: Mapping[str, Sequence[FileStorage]]) -> None:
    if sum(map(len, sent.values())) > MOST_AT_ONCE:
        sentence = ngettext("At most %(num)s file.", "At most %(num)s files.", MOST_AT_ONCE)
        raise Invalid(sentence, {field.removeprefix(_QUESTION): sentence for field in sent})


def _checked(field: str, upload: FileStorage, are_kept: bool) -> Upload:
    settings = current_app.extensions["settings"]
    try:
        received = receive(upload.filename or "", upload.stream, settings.max_upload_bytes)
        if settings.scan_command:
            scan(received, settings.scan_command)
        ready = _made_ready(received) if are_kept else None
    except Invalid as refusal:
        raise Invalid(refusal.sentence, {field.removeprefix(_QUESTION): refusal.sentence}) from None
    return Upload(upload.filename or "", received, ready)


def _made_ready(received: Received) -> Ready:
    try:
        return make_ready(received)
    except StorageAway:
        raise Invalid(
            _(
                "“%(name)s” could not be kept just now. Nothing else you typed is lost; try again soon.",
                name=received.name,
            )
        ) from None
