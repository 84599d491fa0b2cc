"""Programs that run to their end in processes of their own, which begin with the product's modules at hand.

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
from pathlib import Path

from tests.installation import ROOT

_READ_ONCE = ["lifecycle.cli", "lifecycle.app", "jobs.worker", "jobs.schedule"]


def run_program(
    *command: str, environment: Mapping[str, str], typed: str = "", timeout: float = 180.0
) -> subprocess.CompletedProcess[str]:
    """Run `-m module arguments` or `-c program arguments` as Python would, and return how it ended.

    Args:
        command: what follows `python` on a command line.
        environment: all of it; nothing else is passed on.
        typed: what it reads from its standard input.
        timeout: seconds, after which it is killed and the test fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        standard = [Path(folder) / name for name in ("in", "out", "err")]
        standard[0].write_text(typed)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_READ_ONCE)
        process = context.Process(target=_become, args=(command, dict(environment), standard))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f"{command} did not end within {timeout:g} s")
        return subprocess.CompletedProcess(
            command, process.exitcode, standard[1].read_text(), standard[2].read_text()
        )


def _become(command: Sequence[str], environment: dict[str, str], standard: Sequence[Path]) -> None:
    """Be that program from here on."""
    flags = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (path, flag) in enumerate(zip(standard, flags, strict=True)):
        os.dup2(os.open(path, flag), number)
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
