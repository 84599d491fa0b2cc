"""Keeping and reading files. A file's type is what its bytes say, never what its sender claims."""

from __future__ import annotations

import hashlib
import re
import uuid

import filetype
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.core.words import _
from lifecycle.records.files.models import FileContent, StoredFile
from lifecycle.records.people.actor import Actor

# Allowed by their bytes. SVG and HTML are not: a browser would run what they carry.
_BINARY = {
    "application/pdf",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/zip",
}
_TEXT = {
    "txt": "text/plain",
    "csv": "text/csv",
    "eml": "message/rfc822",
    "md": "text/plain",
    "log": "text/plain",
}


def keep_file(name: str, content: bytes, actor: Actor) -> StoredFile:
    """Store an upload in the open transaction.

    Raises:
        Invalid: empty, or of a kind that is not taken.
    """
    if not content:
        raise Invalid(_("The file is empty."), {"file": _("Choose a file that is not empty.")})
    clean = clean_name(name)
    media_type = _sniff(clean, content)
    digest = hashlib.sha256(content).hexdigest()
    db.session.execute(insert(FileContent).values(sha256=digest, content=content).on_conflict_do_nothing())
    stored = StoredFile(
        sha256=digest, name=clean, media_type=media_type, size=len(content), uploaded_by=actor.user_id
    )
    db.session.add(stored)
    db.session.flush()
    return stored


def read_file(file_id: uuid.UUID) -> tuple[StoredFile, bytes]:
    """Return a file and its bytes.

    Raises:
        NotFound: there is no such file.
    """
    row = db.session.execute(
        select(StoredFile, FileContent.content)
        .join(FileContent, FileContent.sha256 == StoredFile.sha256)
        .where(StoredFile.id == file_id)
    ).one_or_none()
    if row is None:
        raise NotFound(_("There is no such file."))
    return row[0], bytes(row[1])


def clean_name(name: str) -> str:
    """Return a file name without folders, control characters or anything a header could trip over."""
    base = re.split(r"[\\/]", name)[-1]
    kept = "".join(c for c in base if c.isprintable() and c not in '<>:"|?*').strip(" .")
    return kept[-150:] or "file"


def _sniff(name: str, content: bytes) -> str:
    guess = filetype.guess(content)
    if guess is not None:
        if guess.mime in _BINARY:
            return str(guess.mime)
        raise Invalid(_refusal(name), {"file": _refusal(name)})
    ending = name.rpartition(".")[2].lower()
    if ending in _TEXT and _is_text(content):
        return _TEXT[ending]
    raise Invalid(_refusal(name), {"file": _refusal(name)})


def _is_text(content: bytes) -> bool:
    try:
        return "\x00" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return b"\x00" not in content


def _refusal(name: str) -> str:
    return _("“%(name)s” is not taken: send PDF, an image, Office, ZIP, CSV or text.", name=name)
