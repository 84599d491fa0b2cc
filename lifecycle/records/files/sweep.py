"""What lies in the bucket and no row names: uploads whose transaction did not come to its end."""

from __future__ import annotations

import itertools
import logging
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from lifecycle.core.clock import now
from lifecycle.core.db import db
from lifecycle.records.files.bucket import Bucket, current_bucket
from lifecycle.records.files.models import FileContent

log = logging.getLogger(__name__)

YOUNG: Final = timedelta(hours=24)
"""What is younger may belong to a transaction that is yet to commit."""
_AT_ONCE: Final = 500


def sweep_bucket() -> int:
    """Take away what is old enough and not named, and return how much that was.

    Raises:
        StorageAway: the bucket does not answer.
    """
    bucket = current_bucket()
    if bucket is None:
        return 0
    old, gone = bucket.keys(older_than=now() - YOUNG), 0
    while keys := list(itertools.islice(old, _AT_ONCE)):
        gone += _take_away(bucket, keys)
    if gone:
        log.info("%d objects that no file names were taken out of the bucket", gone)
    return gone


def _take_away(bucket: Bucket, keys: list[str]) -> int:
    named = set(db.session.scalars(sa.select(FileContent.key).where(FileContent.key.in_(keys))))
    db.session.rollback()
    unnamed = [key for key in keys if key not in named]
    for key in unnamed:
        bucket.delete(key)
    return len(unnamed)
