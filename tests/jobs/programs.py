"""The real worker and scheduler, as the supervisor starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.config import Settings
from tests.installation import ROOT


@contextmanager
def running(settings: Settings, module: str, *arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the product on this test's services; it is gone afterwards."""
    environment = {
        **os.environ,
        "LIFECYCLE_ENV": "testing",
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SMTP_URL": settings.smtp_url,
        "SECRET_KEY": settings.secret_key,
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
