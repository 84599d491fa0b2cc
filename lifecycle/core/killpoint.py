"""Named points at which a test kills the process that reaches them, to see what is lost and what is doubled.

They do nothing unless the installation is a test's and names one (LIFECYCLE_KILL_AT). A path there is a file
that may name a point while the product runs: the first process to reach it takes the file away and dies.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from flask import current_app

POINTS = (
    "after commit",
    "between pop and start",
    "claimed",
    "before DATA",
    "after 250",
    "mid-rule",
    "mid-reminder",
    "file in the bucket",
)


def reach(point: str) -> None:
    """Die here, as if killed with -9, if this is the point that a test named."""
    settings = current_app.extensions["settings"]
    if settings.kill_at is None or settings.environment != "testing":
        return
    if settings.kill_at == point or _takes_order(Path(settings.kill_at), point):
        os.kill(os.getpid(), signal.SIGKILL)


def _takes_order(file: Path, point: str) -> bool:
    if not file.is_absolute():
        return False
    try:
        if file.read_text() != point:
            return False
        # Whoever takes it away is the one that dies.
        file.unlink()
    except OSError:
        return False
    return True
