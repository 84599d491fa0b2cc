"""The file of a backup: a ZIP of the database's dump and a manifest that says what it is and proves it whole.

The dump is compressed by itself and stored as it is, so that it streams in and out without a second copy on
disk. Keys are not in it: whoever has a backup has what the database held, and can sign nothing with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Self

FORMAT: Final = 1
PRODUCT: Final = "lifecycle"
DUMP: Final = "database.dump"
_MANIFEST: Final = "manifest.json"
_BLOCK: Final = 1 << 20
_LARGEST_MANIFEST: Final = 1 << 20


class Unusable(Exception):
    """The file cannot be restored. The message is one sentence for the person who tries."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup is of. `rows` are counts of the dump's own moment, to be compared after a restore.

    `in_bucket` files have their bytes in a bucket, and not here.
    """

    made_at: datetime
    migration: str
    postgresql: int
    secret_key: str
    rows: dict[str, int]
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    in_bucket: int = 0

    def as_json(self) -> str:
        known = asdict(self) | {"made_at": self.made_at.isoformat(), "format": FORMAT, "product": PRODUCT}
        return json.dumps(known, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a manifest. Raises Unusable."""
        try:
            read = json.loads(text)
            if read.pop("product") != PRODUCT:
                raise Unusable("This is a backup of another product.")
            if read.pop("format") > FORMAT:
                raise Unusable("This backup was made by a newer version: install that version first.")
            return cls(**read | {"made_at": datetime.fromisoformat(read["made_at"]).astimezone(UTC)})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Unusable("The backup's manifest cannot be read: the file is damaged.") from None


def key_mark(secret_key: str) -> str:
    """Return what tells one SECRET_KEY from another and gives neither away."""
    return hmac.digest(secret_key.encode(), b"lifecycle backup", hashlib.sha256).hex()[:16]


def write(file: Path, manifest: Manifest, dump: Callable[[IO[bytes]], None]) -> Manifest:
    """Write a backup, with what `dump` writes into the stream it is given, and return the whole manifest.

    The file appears under its name when it is whole and on the disk, readable by its owner only; a backup
    that breaks off leaves nothing. Raises FileExistsError rather than replace an earlier one.
    """
    half = file.with_name(f".{file.name}.half")
    if file.exists():
        raise FileExistsError(file)
    half.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                with archive.open(DUMP, "w", force_zip64=True) as part:
                    summing = _Summing(part)
                    dump(summing)  # type: ignore[arg-type]
                manifest.parts[DUMP] = {"bytes": summing.size, "sha256": summing.digest.hexdigest()}
                archive.writestr(_MANIFEST, manifest.as_json())
            stream.flush()
            os.fsync(stream.fileno())
        _put_in_place(half, file)
    finally:
        half.unlink(missing_ok=True)
    return manifest


def _put_in_place(half: Path, file: Path) -> None:
    try:
        # Unlike a rename, a link never replaces what somebody else has put there meanwhile.
        os.link(half, file)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system knows links.
        half.rename(file)


def check(file: Path) -> Manifest:
    """Return the manifest of a backup that is whole, after reading every byte of it. Raises Unusable."""
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo(_MANIFEST).file_size > _LARGEST_MANIFEST:
                raise Unusable("The backup's manifest cannot be read: the file is damaged.")
            manifest = Manifest.from_json(archive.read(_MANIFEST))
            for name, promised in manifest.parts.items():
                with archive.open(name) as part:
                    digest, size = hashlib.sha256(), 0
                    while block := part.read(_BLOCK):
                        digest.update(block)
                        size += len(block)
                if {"bytes": size, "sha256": digest.hexdigest()} != promised:
                    raise Unusable(f"{file} is damaged: {name} is not what was written.")
    except KeyError:
        raise Unusable(f"{file} is not a backup of Lifecycle.") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error):
        raise Unusable(f"{file} is damaged, or no backup of Lifecycle.") from None
    except OSError as error:
        raise Unusable(f"{file} cannot be read: {error.strerror}.") from None
    if DUMP not in manifest.parts:
        raise Unusable(f"{file} is damaged: it holds no database.")
    return manifest


def read_dump(file: Path) -> Iterator[bytes]:
    """Yield the dump of a backup that was checked."""
    with zipfile.ZipFile(file) as archive, archive.open(DUMP) as part:
        while block := part.read(_BLOCK):
            yield block


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a whole file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Summing:
    """Counts and sums what passes through."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        self.size += len(block)
        return self._stream.write(block)
