"""Start the whole product as a person would, look at its processes, and end it in kind and unkind ways."""

from __future__ import annotations

import json
import os
import pwd
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lifecycle.runtime.account import Account
from lifecycle.runtime.processes import die_with_parent, run_once

START_TIMEOUT = 180.0  # seconds; a busy machine is no failure


class Product:
    """One supervisor and what it printed."""

    def __init__(self, data: Path, *arguments: str, user: str | None = None, **environment: str) -> None:
        self.data = data
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        inherited = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        command = [
            sys.executable,
            "-P",
            "-m",
            "lifecycle.runtime.supervisor",
            "--data",
            str(data),
            *arguments,
        ]
        self.process = subprocess.Popen(
            [*(as_user(user) if user else []), *command],
            cwd="/",
            env={**inherited, "LIFECYCLE_ENV": "development", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - nothing else runs while we fork
        )
        threading.Thread(target=self._read, daemon=True).start()

    def wait_ready(self) -> str:
        """The address it serves at. Fails with all it printed when it ends first."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            line = self._queue.get(timeout=START_TIMEOUT)
            if line is None:
                raise AssertionError("It ended:\n" + self.said)
            if line.startswith("Ready: "):
                return line.removeprefix("Ready: ").strip()
        raise AssertionError("It did not get ready:\n" + self.said)

    def wait_ended(self, timeout: float = 120.0) -> int:
        code = self.process.wait(timeout)
        while self._queue.get(timeout=5) is not None:
            pass
        return code

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait_ended()

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @property
    def services(self) -> dict[str, Any]:
        return dict(json.loads((self.data / "services.json").read_text()))

    def family(self) -> dict[int, str]:
        """Every process that descends from the supervisor, with its command line."""
        parents = {pid: parent for pid, parent, _ in processes()}
        commands = {pid: command for pid, _, command in processes()}
        found: set[int] = {self.process.pid}
        while grown := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= grown
        return {pid: commands.get(pid, "") for pid in found - {self.process.pid}}

    def child(self, part: str) -> int:
        """The supervisor's own child whose command line holds `part`."""
        found = self.child_or_none(part)
        assert found is not None, f"No child runs {part}."
        return found

    def child_or_none(self, part: str) -> int | None:
        mine = (pid for pid, parent, command in processes() if parent == self.process.pid and part in command)
        return next(mine, None)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)
                self._queue.put(line)
        self._queue.put(None)


def as_user(name: str) -> list[str]:
    """What to put before a command to have another user run it."""
    user = pwd.getpwnam(name)
    # Becoming another user would make the kernel forget what is to happen when the tests are killed.
    change = [
        "setpriv",
        "--pdeathsig",
        "TERM",
        "--reuid",
        str(user.pw_uid),
        "--regid",
        str(user.pw_gid),
        "--clear-groups",
    ]
    if run_once(["test", "-x", sys.executable], Account(user.pw_uid, user.pw_gid)).returncode == 0:
        return change
    # Our Python lives in a home that this user may not enter: let it read there all the same.
    return [*change, "--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]


def processes() -> Iterator[tuple[int, int, str]]:
    """Every running process: its id, its parent's, its command line. Zombies do not count."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            yield int(folder.name), int(parent), command


def wait_until(true: Callable[[], object], what: str, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(0.1)


def wait_gone(family: dict[int, str], timeout: float = 60.0) -> None:
    """Wait until none of these processes runs."""

    def remaining() -> dict[int, str]:
        running = {pid: command for pid, _, command in processes()}
        return {pid: command for pid, command in family.items() if running.get(pid) == command}

    deadline = time.monotonic() + timeout
    while left := remaining():
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.1)


@contextmanager
def data_folder(user: str | None = None) -> Iterator[Path]:
    """A data folder that a given user owns, outside pytest's own folders, which others may not enter."""
    folder = Path(tempfile.mkdtemp(prefix="lifecycle-product-"))
    folder.chmod(0o755)
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_product(
    data: Path, *arguments: str, user: str | None = None, **environment: str
) -> Iterator[Product]:
    """A product that is ready, and whose every process is gone afterwards."""
    with started_product(data, "--no-demo", *arguments, user=user, **environment) as product:
        product.wait_ready()
        yield product


@contextmanager
def started_product(
    data: Path, *arguments: str, user: str | None = None, **environment: str
) -> Iterator[Product]:
    """A product that was just started, and whose every process is gone afterwards."""
    product = Product(data, *arguments, user=user, **environment)
    try:
        yield product
    finally:
        if product.process.poll() is None:
            product.stop()
