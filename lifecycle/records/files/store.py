"""Keeping and reading files. A file's type is what its bytes say, never what its sender claims."""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.dialects.postgresql import insert

from lifecycle.core.db import db
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.core.killpoint import reach
from lifecycle.core.queue import BULK, enqueue_after_commit
from lifecycle.core.words import _
from lifecycle.records.files.bucket import current_bucket
from lifecycle.records.files.models import PICTURES, PIECE, FileChunk, FileContent, StoredFile
from lifecycle.records.files.pieces import Pieces, ReadPiece, StorageAway
from lifecycle.records.files.receive import Received, receive
from lifecycle.records.people.actor import Actor

log = logging.getLogger(__name__)

MAKE_THUMBNAILS: Final = "jobs.files.make_thumbnails"

_IN_BUCKET = (
    sa.select(sa.func.count())
    .select_from(StoredFile)
    .join(FileContent, FileContent.sha256 == StoredFile.sha256)
    .where(FileContent.place == "s3")
)
_Ask = Callable[[sa.Select[Any]], Any]


@dataclass(frozen=True)
class Ready:
    """A file that can be kept: read through once, of a kind that is taken, and in the bucket under `key`, if
    that is where files go. What is never kept is swept from there (`sweep.py`)."""

    received: Received
    media_type: str
    key: str | None


@dataclass(frozen=True)
class OpenFile:
    """A file, and its bytes for whoever reads them; `has_parts` where one may begin in the middle."""

    stored: StoredFile
    pieces: Pieces
    has_parts: bool


def make_ready(received: Received) -> Ready:
    """Make an upload ready to be kept; before the transaction, for the bucket takes its time.

    Raises:
        Invalid: empty, or of a kind that is not taken. StorageAway: the bucket does not take it.
    """
    if not received.size:
        raise Invalid(_("The file is empty."), {"file": _("Choose a file that is not empty.")})
    if received.media_type is None:
        refusal = _(
            "“%(name)s” is not taken: send PDF, an image, Office, ZIP, CSV or text.", name=received.name
        )
        raise Invalid(refusal, {"file": refusal})
    return Ready(received, received.media_type, _put(received))


def _put(received: Received) -> str | None:
    if current_app.extensions["settings"].file_storage != "s3":
        return None
    bucket = current_bucket()
    assert bucket is not None, "settings without a bucket are refused"
    key = bucket.put(received.source, received.size)
    reach("file in the bucket")
    return key


def keep(ready: Ready, actor: Actor) -> StoredFile:
    """Keep a file in the open transaction."""
    received = ready.received
    # Whoever keeps the same bytes at the same time waits here, and then finds them kept.
    is_new = db.session.scalar(
        insert(FileContent)
        .values(sha256=received.sha256, place="s3" if ready.key else "database", key=ready.key)
        .on_conflict_do_nothing()
        .returning(FileContent.sha256)
    )
    if is_new and ready.key is None:
        for number, piece in enumerate(received.pieces()):
            db.session.execute(
                sa.insert(FileChunk).values(sha256=received.sha256, number=number, content=piece)
            )
    stored = StoredFile(
        sha256=received.sha256,
        name=received.name,
        media_type=ready.media_type,
        size=received.size,
        uploaded_by=actor.user_id,
    )
    db.session.add(stored)
    db.session.flush()
    if ready.media_type in PICTURES:
        enqueue_after_commit(BULK, MAKE_THUMBNAILS)
    return stored


def keep_file(name: str, content: bytes, actor: Actor) -> StoredFile:
    """Keep bytes of our own making in the open transaction, which waits for the bucket, if there is one.

    Raises:
        Invalid: empty, or of a kind that is not taken. StorageAway: the bucket does not take it.
    """
    return keep(make_ready(receive(name, BytesIO(content))), actor)


def open_file(file_id: uuid.UUID) -> OpenFile:
    """Return a file and its bytes, of which each piece is read by itself, also after the request is over.

    Raises:
        NotFound: there is no such file.
    """
    engine = db.engine

    def ask(question: sa.Select[Any]) -> Any:
        with engine.begin() as connection:
            return connection.scalar(question)

    stored, content = _find(file_id)
    # Only the whole can be compared with its hash, and a bucket is not ours alone.
    return OpenFile(stored, _pieces(stored, content, ask), has_parts=content.place == "database")


def read_file(file_id: uuid.UUID) -> tuple[StoredFile, bytes]:
    """Return a file and all its bytes, which are those of its hash.

    Raises:
        NotFound: there is no such file. StorageAway: its bytes cannot be reached now.
        Unreadable: they are not those that were kept.
    """
    stored, content = _find(file_id)
    return stored, b"".join(_pieces(stored, content, db.session.scalar))


def count_in_bucket() -> int:
    """Return how many files have their bytes in a bucket."""
    return db.session.scalar(_IN_BUCKET) or 0


def _find(file_id: uuid.UUID) -> tuple[StoredFile, FileContent]:
    row = db.session.execute(
        sa.select(StoredFile, FileContent)
        .join(FileContent, FileContent.sha256 == StoredFile.sha256)
        .where(StoredFile.id == file_id)
    ).one_or_none()
    if row is None:
        raise NotFound(_("There is no such file."))
    return row[0], row[1]


def _pieces(stored: StoredFile, content: FileContent, ask: _Ask) -> Pieces:
    read = _from_database(stored.sha256, ask) if content.key is None else _from_bucket(content.key)
    return Pieces(stored.sha256, stored.size, read)


def _from_bucket(key: str) -> ReadPiece:
    bucket = current_bucket()
    if bucket is None:
        log.error("a file lies in a bucket, and none is set: see S3_ENDPOINT")
        raise StorageAway(_("Files cannot be reached just now. Nothing was changed; try again in a moment."))
    return functools.partial(bucket.read, key)


def _from_database(sha256: str, ask: _Ask) -> ReadPiece:
    def read(at: int) -> bytes:
        number, offset = divmod(at, PIECE)
        piece = ask(
            sa.select(FileChunk.content).where(FileChunk.sha256 == sha256, FileChunk.number == number)
        )
        return bytes(piece or b"")[offset:]

    return read
