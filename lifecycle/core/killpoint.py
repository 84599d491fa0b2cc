"""Named points at which a test kills the process that reaches them, to see what is lost and what is doubled.

They do nothing unless the installation is a test's and names one (LIFECYCLE_KILL_AT).
"""

from __future__ import annotations

import os
import signal

from flask import current_app

POINTS = (
    "after commit",
    "between pop and start",
    "claimed",
    "before DATA",
    "after 250",
    "mid-rule",
    "mid-reminder",
)


def reach(point: str) -> None:
    """Die here, as if killed with -9, if this is the point that a test named."""
    settings = current_app.extensions["settings"]
    if settings.kill_at == point and settings.environment == "testing":
        os.kill(os.getpid(), signal.SIGKILL)
