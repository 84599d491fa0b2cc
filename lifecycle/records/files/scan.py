"""The virus scanner of the house, a command of its own: it gets a file and says whether it is clean."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from typing import Final

from lifecycle.core.errors import Invalid
from lifecycle.core.words import _

log = logging.getLogger(__name__)

PATIENCE: Final = 60
"""Seconds that a scanner may take for one file."""
_CLEAN, _INFECTED = 0, 1


def scan(name: str, content: bytes, command: Sequence[str]) -> None:
    """Let the scanner look at a file: `command` reads it from standard input, as `clamdscan -` does.

    It ends with 0 for a clean file and 1 for one in which it found something. Anything else means that it
    could not tell; then the file is not taken, for nobody has looked at it.

    Raises:
        Invalid: something was found, or the scanner could not tell.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the command is a setting of the installation
            command, input=content, capture_output=True, timeout=PATIENCE, check=False
        )
        outcome: int | str = done.returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        outcome = type(error).__name__
    if outcome == _CLEAN:
        return
    if outcome == _INFECTED:
        log.warning("the virus scanner refused a file of %d bytes", len(content))
        raise Invalid(_("“%(name)s” was not taken: our virus scanner found something in it.", name=name))
    log.error("the virus scanner could not look at a file: %s", outcome)
    raise Invalid(
        _(
            "“%(name)s” could not be checked for viruses just now, so it was not taken. Try again soon.",
            name=name,
        )
    )
