"""The virus scanner of the house, a command of its own: it gets a file and says whether it is clean."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from lifecycle.core.errors import Invalid
from lifecycle.core.words import _
from lifecycle.records.files.receive import Received

log = logging.getLogger(__name__)

PATIENCE: Final = 60
"""Seconds that a scanner may take for one file."""
_CLEAN, _INFECTED = 0, 1


def scan(received: Received, command: Sequence[str]) -> None:
    """Let the scanner look at a file: `command` reads it from standard input, as `clamdscan -` does.

    It ends with 0 for a clean file and 1 for one in which it found something. Anything else means that it
    could not tell; then the file is not taken, for nobody has looked at it.

    Raises:
        Invalid: something was found, or the scanner could not tell.
    """
    name = received.name
    try:
        outcome: int | str = _look(received.pieces(), command)
    except OSError as error:
        outcome = type(error).__name__
    if outcome == _CLEAN:
        return
    if outcome == _INFECTED:
        log.warning("the virus scanner refused a file of %d bytes", received.size)
        raise Invalid(_("“%(name)s” was not taken: our virus scanner found something in it.", name=name))
    log.error("the virus scanner could not look at a file: %s", outcome)
    raise Invalid(
        _(
            "“%(name)s” could not be checked for viruses just now, so it was not taken. Try again soon.",
            name=name,
        )
    )


def _look(pieces: Iterator[bytes], command: Sequence[str]) -> int:
    """Return the scanner's exit code: that of a killed process if it took too long."""
    process = subprocess.Popen(  # noqa: S603 - the command is a setting of the installation
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    # It may neither read nor end.
    patience = threading.Timer(PATIENCE, process.kill)
    patience.start()
    try:
        with process:
            assert process.stdin
            # It may have made up its mind before the end of the file.
            with contextlib.suppress(BrokenPipeError):
                for piece in pieces:
                    process.stdin.write(piece)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        return process.returncode
    finally:
        patience.cancel()
