"""The real worker and scheduler, as the supervisor starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.config import Settings
from tests.installation import environment_of
from tests.programs import Program


@contextmanager
def running(settings: Settings, module: str, *arguments: str, log: Path) -> Iterator[Program]:
    """A program of the product on this test's services; it is gone afterwards."""
    environment = {**os.environ, **environment_of(settings)}
    log.touch()
    standard = (Path(os.devnull), log, log)
    program = Program("-m", module, *arguments, environment=environment, standard=standard)
    try:
        yield program
    finally:
        program.kill()
        program.wait()
