"""The bytes of a file, piece by piece: each is read by itself, so that a slow reader holds nothing open."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Self

from lifecycle.core.errors import Refusal
from lifecycle.core.words import _
from lifecycle.records.files.models import PIECE

log = logging.getLogger(__name__)

ReadPiece = Callable[[int], bytes]
"""Returns the bytes from a place to the end of its piece; none where there is nothing."""


class Unreadable(Refusal):
    """What is kept is not what was uploaded, or is gone."""

    status = 503


class StorageAway(Refusal):
    """The place where files are kept does not answer, or does not let us in."""

    status = 503


class Pieces:
    """Yields a file's bytes, and breaks off with Unreadable before the last of them if they are not its own.

    One that was sought in is not compared with its hash: only the whole can be.
    """

    def __init__(self, sha256: str, size: int, read: ReadPiece) -> None:
        self._sha256 = sha256
        self._size = size
        self._read = read
        self._at = 0
        self._digest = hashlib.sha256()
        self._is_whole = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._at >= self._size:
            raise StopIteration
        piece, wanted = self._read(self._at), min(PIECE - self._at % PIECE, self._size - self._at)
        self._at += wanted
        self._digest.update(piece)
        is_compared = self._is_whole and self._at == self._size
        if len(piece) != wanted or (is_compared and self._digest.hexdigest() != self._sha256):
            log.error("what is kept of a file is not what was uploaded: SHA-256 %s", self._sha256)
            raise Unreadable(
                _("This file cannot be read: what is kept of it is not what was uploaded. Ask for it again.")
            )
        return piece

    def seekable(self) -> bool:
        return True

    def seek(self, at: int) -> None:
        """Go on from `at`."""
        self._is_whole = self._is_whole and self._at == at
        self._at = at

    def tell(self) -> int:
        return self._at
