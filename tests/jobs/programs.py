"""The real worker and scheduler, as the supervisor starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.config import Settings
from tests.installation import ROOT, environment_of


@contextmanager
def running(settings: Settings, module: str, *arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the product on this test's services; it is gone afterwards."""
    environment = {
        **os.environ,
        **environment_of(settings),
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
