"""Thumbnails of pictures, by the hash of their bytes: made by a job, and shown where the file may be seen."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert

from lifecycle.core.clock import now
from lifecycle.core.db import among, db
from lifecycle.core.errors import NotFound
from lifecycle.core.pictures import SmallPicture, make_small
from lifecycle.core.words import _
from lifecycle.records.files.models import PICTURES, PIECE, FileThumbnail, StoredFile
from lifecycle.records.files.pieces import Unreadable
from lifecycle.records.files.store import open_file

MOST_TRIES: Final = 3
LOST_AFTER: Final = timedelta(minutes=5)
# Every card's page asks this, so it is built once.
_MADE: Final = (
    sa.select(StoredFile.id, FileThumbnail.width, FileThumbnail.height)
    .join(FileThumbnail, FileThumbnail.sha256 == StoredFile.sha256)
    .where(among(StoredFile.id), FileThumbnail.state == "made")
)
"""Who has tried that long is dead."""

_is_lost = (
    (FileThumbnail.state == "trying")
    & (FileThumbnail.tries < MOST_TRIES)
    & (FileThumbnail.tried_at < sa.bindparam("before"))
)


@dataclass(frozen=True)
class Thumbnail:
    """How large the thumbnail of a file is, in pixels."""

    width: int
    height: int


def pictures_without(limit: int = 20) -> list[tuple[str, uuid.UUID]]:
    """Return hash and file of pictures of which nobody has made a thumbnail, or is making one."""
    rows = db.session.execute(
        sa.select(StoredFile.sha256, StoredFile.id)
        .ext(distinct_on(StoredFile.sha256))
        .outerjoin(FileThumbnail, FileThumbnail.sha256 == StoredFile.sha256)
        .where(StoredFile.media_type.in_(PICTURES), FileThumbnail.sha256.is_(None) | _is_lost)
        .limit(limit),
        {"before": now() - LOST_AFTER},
    )
    return [(sha256, file_id) for sha256, file_id in rows]


def claim(sha256: str) -> bool:
    """Take the making of a thumbnail upon oneself, in the open transaction; False if somebody else has."""
    mine = insert(FileThumbnail).values(sha256=sha256, state="trying", tries=1, tried_at=now())
    taken = db.session.scalar(
        mine.on_conflict_do_update(
            index_elements=["sha256"],
            set_={"tries": FileThumbnail.tries + 1, "tried_at": mine.excluded.tried_at},
            where=_is_lost,
        ).returning(FileThumbnail.sha256),
        {"before": now() - LOST_AFTER},
    )
    return taken is not None


def let_go(sha256: str) -> None:
    """Say, in the open transaction, that the picture could not be reached; that was no try."""
    db.session.execute(
        sa.update(FileThumbnail)
        .where(FileThumbnail.sha256 == sha256, FileThumbnail.state == "trying")
        .values(tries=FileThumbnail.tries - 1)
    )


def draw(file_id: uuid.UUID) -> SmallPicture | None:
    """Return a file's picture made small; None where there can be none.

    Raises:
        StorageAway: its bytes cannot be reached now.
    """
    with tempfile.SpooledTemporaryFile(max_size=4 * PIECE) as source:
        try:
            for piece in open_file(file_id).pieces:
                source.write(piece)
        except Unreadable:
            return None
        source.seek(0)
        return make_small(source)


def keep_thumbnail(sha256: str, small: SmallPicture | None) -> None:
    """Keep what was made of a picture that was claimed, or that none can be, in the open transaction."""
    made = {"state": "none"} if small is None else {"state": "made", **vars(small)}
    db.session.execute(sa.update(FileThumbnail).where(FileThumbnail.sha256 == sha256).values(**made))


def thumbnails_of(file_ids: Iterable[str]) -> dict[str, Thumbnail]:
    """Return which of the files have a thumbnail. One query."""
    wanted = [uuid.UUID(each) for each in file_ids]
    rows = db.session.execute(_MADE, {"ids": wanted})
    return {str(file_id): Thumbnail(width or 0, height or 0) for file_id, width, height in rows}


def read_thumbnail(file_id: uuid.UUID) -> tuple[str, bytes]:
    """Return a file's hash, and its thumbnail, a WebP. Whether its reader may see the file is the door's.

    Raises:
        NotFound: it has none.
    """
    row = db.session.execute(
        sa.select(StoredFile.sha256, FileThumbnail.content)
        .join(FileThumbnail, FileThumbnail.sha256 == StoredFile.sha256)
        .where(StoredFile.id == file_id, FileThumbnail.state == "made")
    ).one_or_none()
    if row is None or row[1] is None:
        raise NotFound(_("There is no such file."))
    return row[0], bytes(row[1])
