"""Files: make thumbnails of pictures, and sweep what lies in the bucket and belongs to nothing."""

from __future__ import annotations

from jobs.stopping import is_asked_to_stop
from lifecycle.core.db import transaction
from lifecycle.core.queue import BULK, enqueue
from lifecycle.records.files.pieces import StorageAway
from lifecycle.records.files.store import MAKE_THUMBNAILS
from lifecycle.records.files.sweep import sweep_bucket
from lifecycle.records.files.thumbnails import claim, draw, keep_thumbnail, let_go, pictures_without


def sweep() -> int:
    """Take out of the bucket what no file names; one that is away is swept tomorrow."""
    try:
        return sweep_bucket()
    except StorageAway:
        # It has been logged where it was found.
        return 0


def make_thumbnails() -> int:
    """Make the thumbnails that are missing, and queue itself again for more; return how many were tried."""
    done = 0
    for sha256, file_id in pictures_without():
        if is_asked_to_stop():
            break
        with transaction():
            is_ours = claim(sha256)
        if not is_ours:
            continue
        try:
            small = draw(file_id)
        except StorageAway:
            with transaction():
                let_go(sha256)
            return done
        with transaction():
            keep_thumbnail(sha256, small)
        done += 1
    if done and pictures_without(1):
        enqueue(BULK, MAKE_THUMBNAILS)
    return done


def find_lost_thumbnails() -> bool:
    """Queue the making of thumbnails when any is missing; say whether one is."""
    is_any = bool(pictures_without(1))
    if is_any:
        enqueue(BULK, MAKE_THUMBNAILS)
    return is_any
