"""Files and their contents, apart, so that listing files never reads bytes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from lifecycle.core.clock import now
from lifecycle.core.db import Model
from lifecycle.core.ids import new_id


class FileContent(Model):
    """Where the bytes of a SHA-256 (hex) are; the same bytes are kept once.

    `place` is "database" (`FileChunk`), or "s3": then they are the object `key` of the bucket.
    """

    __tablename__ = "file_contents"
    __table_args__ = (
        CheckConstraint("place in ('database','s3')", name="place"),
        CheckConstraint("(place = 's3') = (key is not null)", name="key"),
        Index("uq_file_contents_key", "key", unique=True),
    )

    sha256: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(default="database", server_default="database")
    key: Mapped[str | None]


PIECE: Final = 1 << 20
"""Bytes of a piece. Every piece but a file's last has so many, for ever: that is how one is found."""


class FileChunk(Model):
    """A piece of the bytes of a SHA-256, counted from 0."""

    __tablename__ = "file_chunks"

    sha256: Mapped[str] = mapped_column(ForeignKey("file_contents.sha256"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)


PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Media types of which there are thumbnails."""


class FileThumbnail(Model):
    """A small WebP of a picture, by the SHA-256 of its bytes.

    `state` is "trying" while one is made, "made", or "none" where none can be. A process that dies at it
    leaves "trying" behind; `tries` keeps that from going on for ever.
    """

    __tablename__ = "file_thumbnails"
    __table_args__ = (
        CheckConstraint("state in ('trying','made','none')", name="state"),
        CheckConstraint("(state = 'made') = (content is not null)", name="content"),
    )

    sha256: Mapped[str] = mapped_column(ForeignKey("file_contents.sha256"), primary_key=True)
    state: Mapped[str]
    tries: Mapped[int]
    tried_at: Mapped[datetime]
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    width: Mapped[int | None]
    height: Mapped[int | None]


class StoredFile(Model):
    """One upload: its name as given, its type as sniffed (never as claimed), its size in bytes."""

    __tablename__ = "files"
    __table_args__ = (
        Index(
            "ix_files_pictures",
            "sha256",
            postgresql_where=text("media_type in ('image/png', 'image/jpeg', 'image/gif', 'image/webp')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    sha256: Mapped[str] = mapped_column(ForeignKey("file_contents.sha256"))
    name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    uploaded_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    uploaded_at: Mapped[datetime] = mapped_column(default=now)
