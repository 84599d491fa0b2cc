"""Start a program so that it never outlives us, start it again when it dies, and stop it in time."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lifecycle.runtime.account import Account

SHORTEST_DELAY = 0.2
LONGEST_DELAY = 10.0
STEADY_AFTER = 30.0  # A program that ran this long had no trouble starting.
LOG_LIMIT = 10 * 1024 * 1024

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(kw_only=True)
class Child:
    """A program run in the foreground as a child of this process, with its output in a file.

    When this process dies, however it dies, the kernel sends the child `stop_signal`.
    """

    name: str
    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str]
    account: Account = field(default_factory=Account)
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0  # seconds between the stop signal and SIGKILL
    folder: Path = Path("/")
    keep_open: tuple[int, ...] = ()  # file descriptors handed on under the same numbers
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float | None = None
    delay: float = SHORTEST_DELAY

    def start(self) -> None:
        """Start the program. Must be called in the main thread: the kernel watches the thread that forks."""
        _begin_anew(self.log)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in self.command],
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal is for the supervisor, which stops in order.
                pass_fds=self.keep_open,
                preexec_fn=die_with_parent(self.stop_signal),  # noqa: PLW1509 - this process has one thread
                **self.account.popen_arguments(),
            )
        self.started_at = time.monotonic()
        self.restart_at = None

    @property
    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def revive(self, say: Callable[[str], None]) -> bool:
        """Start the program again if it died, later each time it dies young. Whether it was started now."""
        if not self.has_died:
            return False
        now = time.monotonic()
        if self.restart_at is None:
            self.delay = (
                SHORTEST_DELAY if now - self.started_at > STEADY_AFTER else min(self.delay * 2, LONGEST_DELAY)
            )
            self.restart_at = now + self.delay
            say(f"{self.name} {self.epitaph()}; starting it again ({self.log})")
        if now < self.restart_at:
            return False
        self.start()
        return True

    def epitaph(self) -> str:
        """How the program ended, for a person."""
        code = self.process.returncode if self.process else None
        if code is None:
            return "is running"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def wait_stopped(self) -> None:
        """Wait until the program has ended; end it by force, with all it started, after its grace."""
        if self.process is None:
            return
        try:
            self.process.wait(self.grace)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_lines(self, count: int = 20) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return ""


def stop_all(children: Sequence[Child]) -> None:
    """Stop the children together. Those that need others must be stopped in a call before."""
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.wait_stopped()


def die_with_parent(stop_signal: signal.Signals) -> Callable[[], None]:
    """For a child between fork and exec: have the kernel send it `stop_signal` when this process dies.

    Linux only; elsewhere a killed supervisor leaves its children behind.
    """
    parent = os.getpid()

    def ask_kernel() -> None:
        if sys.platform != "linux":
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent:  # It died before we could ask.
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_kernel


def run_once(
    command: Sequence[str | Path], account: Account, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a short program under `account` to its end and return what it said."""
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        preexec_fn=die_with_parent(signal.SIGKILL),
        **account.popen_arguments(),
        **options,
    )


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _begin_anew(log: Path) -> None:
    """Keep a log readable: what was before the last ten megabytes moves aside, and what is older goes."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
