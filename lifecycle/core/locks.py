"""The advisory locks of PostgreSQL that we take, side by side, so that no two share a number."""

from __future__ import annotations

from enum import IntEnum


class AdvisoryLock(IntEnum):
    """What is held by one process at a time."""

    MIGRATION = 7_301_955
    ADMINISTRATION = 7_301_956
    SCHEDULER = 7_301_957
    IMPORT = 7_301_958
    DEMO = 7_301_959
    HEADS = 7_301_960
