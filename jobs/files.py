"""Files: sweep what lies in the bucket and belongs to nothing."""

from __future__ import annotations

from lifecycle.records.files.pieces import StorageAway
from lifecycle.records.files.sweep import sweep_bucket


def sweep() -> int:
    """Take out of the bucket what no file names; one that is away is swept tomorrow."""
    try:
        return sweep_bucket()
    except StorageAway:
        # It has been logged where it was found.
        return 0
