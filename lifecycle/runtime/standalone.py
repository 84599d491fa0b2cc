"""The services of an installation for one command: those that run, else its own, started meanwhile."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.config import CHECKOUT, Settings
from lifecycle.runtime.datafolder import DataFolder, Refused
from lifecycle.runtime.embedded import Embedded
from lifecycle.runtime.keyring import Keyring
from lifecycle.runtime.processes import is_alive


@contextmanager
def installation(*, new: bool = False) -> Iterator[Settings]:
    """Give the settings of a reachable installation: that of DATABASE_URL, the one that runs, or one at rest.

    The embedded servers of an installation at rest are started, and stopped again afterwards.

    Args:
        new: make one, with keys of its own, where there is none; else that is refused.

    Raises:
        lifecycle.config.SettingsRefused, lifecycle.runtime.datafolder.Refused
    """
    data = Path(os.environ.get("LIFECYCLE_DATA") or CHECKOUT / "var")
    if os.environ.get("DATABASE_URL") or _runs(data):
        yield Settings.from_env()
        return
    if not new and not (data / "secrets.json").exists():
        raise Refused(
            f"There is no installation in {data}: name its folder in LIFECYCLE_DATA. To restore into a new "
            "one, first copy the secrets.json of the one that was backed up there, or say --other-key."
        )
    folder = DataFolder(data)
    folder.take()
    keyring = Keyring(folder.path)
    try:
        embedded = Embedded(folder, keyring)
        embedded.start()
        try:
            addresses = embedded.prepare_database()
            assert embedded.valkey is not None
            own = {
                "LIFECYCLE_ENV": "development",
                "LIFECYCLE_DATA": str(folder.path),
                "DATABASE_URL": addresses.app,
                "DATABASE_OWNER_URL": addresses.owner,
                "DATABASE_READER_URL": addresses.reader,
                "REDIS_URL": embedded.valkey.url,
                # Nothing is mailed meanwhile; production only wants to be told an address.
                "SMTP_URL": "smtp://127.0.0.1:1025",
                "SECRET_KEY": keyring.get("secret key"),
                "EVIDENCE_KEY": keyring.get("evidence key"),
            }
            yield Settings.from_env(own | {name: value for name, value in os.environ.items() if value})
        finally:
            embedded.stop()
    finally:
        folder.release()


def _runs(data: Path) -> bool:
    """Say whether the product runs on a data folder; one that was killed leaves its note behind."""
    try:
        return is_alive(int(json.loads((data / "services.json").read_text())["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False
