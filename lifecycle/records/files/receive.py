"""Reading an upload through once, in pieces: how large it is, its hash, and of which kind its bytes are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final

import filetype

from lifecycle.core.errors import Invalid
from lifecycle.core.words import _
from lifecycle.records.files.models import PIECE

# Allowed by their bytes. SVG and HTML are not: a browser would run what they carry.
_BINARY: Final = {
    "application/pdf": ("pdf",),
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/heic": ("heic", "heif"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("xlsx",),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ("pptx",),
    "application/msword": ("doc",),
    "application/vnd.ms-excel": ("xls",),
    "application/vnd.ms-powerpoint": ("ppt",),
    "application/zip": ("zip",),
    "application/gzip": ("gz", "tgz"),
}
"""Kinds by their bytes, each with the endings that a file of it may have."""
_TEXT: Final = {
    **dict.fromkeys(
        ("txt", "md", "log", "sql", "json", "yaml", "yml", "ini", "cfg", "conf", "rsc", "xml"), "text/plain"
    ),
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "eml": "message/rfc822",
}
_RUNS_SCRIPTS: Final = frozenset({"xml"})
"""Text that a browser runs scripts of when it is opened from a disk; it is kept as plain text."""


@dataclass(frozen=True)
class Received:
    """An upload that was read through: its clean name, its bytes' hash (SHA-256, hex), size and kind.

    `media_type` is None for a kind that is not taken.
    """

    name: str
    sha256: str
    size: int
    media_type: str | None
    source: IO[bytes] = field(repr=False)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes from the start, each piece but the last of PIECE bytes."""
        return _pieces(self.source)


def receive(name: str, source: IO[bytes], most: int | None = None) -> Received:
    """Read an upload through, holding one piece of it at a time.

    Args:
        source: can be read from its start again.
        most: bytes it may have.

    Raises:
        Invalid: it is larger.
    """
    clean = clean_name(name)
    digest, size, head, is_text = hashlib.sha256(), 0, b"", True
    for piece in _pieces(source):
        size += len(piece)
        if most is not None and size > most:
            raise Invalid(
                _("“%(name)s” is too large: a file may have %(most)s MB.", name=clean, most=most // 2**20)
            )
        digest.update(piece)
        head = head or piece
        # What holds no zero byte is text, in whichever encoding.
        is_text = is_text and b"\x00" not in piece
    media_type = _kind(clean, head, is_text=is_text)
    return Received(_ended(clean, media_type), digest.hexdigest(), size, media_type, source)


def clean_name(name: str) -> str:
    """Return a file name without folders, control characters or anything a header could trip over."""
    base = re.split(r"[\\/]", name)[-1]
    kept = "".join(c for c in base if c.isprintable() and c not in '<>:"|?*').strip(" .")
    return kept[-150:] or "file"


def _kind(name: str, head: bytes, *, is_text: bool) -> str | None:
    guess = filetype.guess(head) if head else None
    if guess is not None:
        return str(guess.mime) if guess.mime in _BINARY else None
    return _TEXT.get(name.rpartition(".")[2].lower()) if is_text else None


def _ended(name: str, media_type: str | None) -> str:
    """Return a name whose ending is one of its kind: whoever opens it runs nothing else."""
    ending = name.rpartition(".")[2].lower()
    endings = _BINARY.get(media_type or "", ("txt",) if ending in _RUNS_SCRIPTS else (ending,))
    return name if ending in endings else f"{name}.{endings[0]}"


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    source.seek(0)
    # A spooled file may give less than it is asked for.
    while piece := _filled(source):
        yield piece


def _filled(source: IO[bytes]) -> bytes:
    piece = source.read(PIECE)
    while piece and len(piece) < PIECE and (more := source.read(PIECE - len(piece))):
        piece += more
    return piece
