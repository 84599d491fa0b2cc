"""The data folder: held by one process family at a time, and where its embedded services may live."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from lifecycle.runtime.account import Account
from lifecycle.runtime.keyring import write_private
from lifecycle.runtime.processes import is_alive, run_once

LONGEST_SOCKET_PATH = 100  # bytes; the limit is 107 on Linux and 103 on macOS, with our longest name inside
OUTSIDE = Path("/var/lib/lifecycle")
PATIENCE = 15.0  # seconds for the services of a killed process to come to their end


class Refused(RuntimeError):
    """The product must not start like this. The message is one sentence for the person who starts it."""


class DataFolder:
    """A data folder and the lock on it.

    The lock is inherited by the embedded services: it is free only when the last of them has ended, so nobody
    can start a second server on the same files while a killed process's servers are still closing them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.account = Account.for_services()
        self._lock: int | None = None

    def take(self) -> None:
        """Make the folder and hold it. Raises Refused when it cannot be written or somebody else holds it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # The services' user must be able to pass through to what is its own.
            self.path.chmod(0o700 if self.account.uid is None else 0o711)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Refused(
                f"The data folder {self.path} cannot be used ({error.strerror}): name another with --data."
            ) from None
        deadline = time.monotonic() + PATIENCE
        while not self._try_lock():
            holder = self._holder()
            if holder and is_alive(holder):
                raise Refused(self._who_runs())
            if time.monotonic() > deadline:
                raise Refused(f"Servers of an earlier start still run on {self.path} and do not end.")
            time.sleep(0.1)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    @property
    def lock(self) -> int:
        """The lock's file descriptor, for services to inherit."""
        if self._lock is None:
            raise RuntimeError("The data folder is not held.")
        return self._lock

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def services_root(self) -> Path:
        """Where the services keep their files: here, unless their user cannot pass through a folder above."""
        if run_once(["test", "-x", self.path], self.account).returncode == 0:
            return self.path
        root = OUTSIDE / self._fingerprint
        root.mkdir(parents=True, exist_ok=True)
        for folder in (OUTSIDE, root):
            folder.chmod(0o711)
        return root

    def sockets(self, root: Path) -> Path:
        """The folder for unix sockets: in `root`, or a short temporary one when that path is too long."""
        folder = root / "run"
        if len(os.fsencode(folder / ".s.PGSQL.5432")) > LONGEST_SOCKET_PATH:
            folder = Path(tempfile.gettempdir()) / f"lifecycle-{os.geteuid()}-{self._fingerprint}"
            if folder.exists() and folder.stat().st_uid not in (os.geteuid(), self.account.uid):
                raise Refused(f"{folder} belongs to somebody else: choose a shorter --data.")
        return self.account.make_folder(folder)

    def write_services(self, services: dict[str, Any]) -> None:
        write_private(self.path / "services.json", json.dumps(services, indent=1) + "\n")

    def forget_services(self) -> None:
        (self.path / "services.json").unlink(missing_ok=True)

    @property
    def _fingerprint(self) -> str:
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _holder(self) -> int | None:
        text = os.pread(self.lock, 20, 0).decode()
        return int(text) if text.isdecimal() else None

    def _who_runs(self) -> str:
        try:
            web = json.loads((self.path / "services.json").read_text())["web"]
        except (OSError, ValueError, KeyError):
            return f"Another ./dev up is starting or stopping on {self.path}."
        return f"Lifecycle already runs on {self.path}, at {web}"
