"""Passwords and keys made on the first start and kept in DATA/secrets.json, readable by its owner only."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # Nothing that reads as something else.


class Keyring:
    """Named secrets in one file. A name's secret is made when first asked for, and never changes."""

    def __init__(self, data: Path) -> None:
        self._file = data / "secrets.json"

    def get(self, name: str) -> str:
        """A secret for machines: 256 bits, safe in an address."""
        return self._get(name, secrets.token_urlsafe(32))

    def readable(self, name: str) -> str:
        """A password for people to copy: 59 bits in three groups of four letters and digits."""
        groups = ("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))
        return self._get(name, "-".join(groups))

    def _get(self, name: str, fresh: str) -> str:
        known: dict[str, str] = json.loads(self._file.read_text()) if self._file.exists() else {}
        if name not in known:
            known[name] = fresh
            write_private(self._file, json.dumps(known, indent=1) + "\n")
        return known[name]


def write_private(file: Path, text: str) -> None:
    """Replace a file at once with one that only its owner can read, durably."""
    half = file.with_name(f".{file.name}.half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    half.replace(file)
