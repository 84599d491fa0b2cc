"""Programs in processes of their own, which begin with the product's modules at hand.

A Python that starts cold reads the product's modules for two seconds, and tests start hundreds. These are
forked from one process that has read them and done nothing else: no connection, no thread, no application.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from tests.installation import ROOT

_READ_ONCE = ["lifecycle.cli", "lifecycle.app", "jobs.worker", "jobs.schedule"]
Standard = Path | Connection | None


class Program:
    """A program that runs beside a test; it can be waited for and killed as a `subprocess.Popen`."""

    def __init__(
        self,
        *command: str,
        environment: Mapping[str, str],
        standard: tuple[Standard, Standard, Standard],
    ) -> None:
        """Run `-m module arguments` or `-c program arguments` as Python would.

        Args:
            command: what follows `python` on a command line.
            environment: all of it; nothing else is passed on.
            standard: what it reads, what it says, and what it complains; two of them may be one file, and
                None stands for the tests' own.
        """
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_READ_ONCE)
        self._command = command
        self._process = context.Process(target=_become, args=(command, dict(environment), standard))
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return how it ended, as `wait` does, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code, or the negative number of the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: it runs on after so many seconds.
        """
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0.0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def run_program(
    *command: str, environment: Mapping[str, str], typed: str = "", timeout: float = 180.0
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return how it ended and what it said.

    Args:
        command, environment: as of `Program`.
        typed: what it reads from its standard input.
        timeout: seconds, after which it is killed and the test fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        read, said, complained = (Path(folder) / name for name in ("in", "out", "err"))
        read.write_text(typed)
        program = Program(*command, environment=environment, standard=(read, said, complained))
        try:
            code = program.wait(timeout)
        finally:
            program.kill()
        return subprocess.CompletedProcess(command, code, said.read_text(), complained.read_text())


def _become(command: Sequence[str], environment: dict[str, str], standard: Sequence[Standard]) -> None:
    """Be that program from here on."""
    for number, each in enumerate(standard):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        if each is not None:
            os.dup2(os.open(each, flags) if isinstance(each, Path) else each.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    kind, what, *arguments = command
    sys.argv = [what if kind == "-m" else kind, *arguments]
    if kind == "-m":
        sys.modules.pop(what, None)  # It is read anew as the main one.
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<program>", "exec"), {"__name__": "__main__"})
