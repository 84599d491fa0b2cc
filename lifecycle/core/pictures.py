"""Making a picture small, whatever somebody sent as one."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Final

from PIL import Image, ImageOps

log = logging.getLogger(__name__)

WIDEST: Final = 480
TALLEST: Final = 960
# A picture of more takes more memory than it is worth; its header says how many it will have.
_MOST_PIXELS: Final = 50_000_000
# Each scan of a JPEG goes over all its pixels, however few bytes it has. Cameras write one, programs a dozen.
_MOST_SCANS: Final = 64
# Each segment is read by itself, however empty. Cameras write a dozen; what is cut up has hundreds.
_MOST_SEGMENTS: Final = 2_000
_JPEG: Final = b"\xff\xd8"
_SCAN: Final = 0xDA
_END: Final = 0xD9
# What begins a segment; the others stand by themselves, or within the data of a scan.
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP")


@dataclass(frozen=True)
class SmallPicture:
    """A WebP without anything but its pixels."""

    content: bytes
    width: int
    height: int


def make_small(source: IO[bytes]) -> SmallPicture | None:
    """Return a picture, upright, at most WIDEST wide; None if it is none, broken, or too large to look at.

    Of one that moves it is the first frame.
    """
    if _is_endless(source):
        log.info("no thumbnail of a picture: too many parts")
        return None
    try:
        source.seek(0)
        # Its size is asked for first: the library itself warns only at twice as many pixels.
        with Image.open(source, formats=_FORMATS) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                return None
            return _small(picture)
    except Exception as error:  # noqa: BLE001 - each format has its own ways of being broken
        log.info("no thumbnail of a picture: %s", type(error).__name__)
        return None


def _is_endless(source: IO[bytes]) -> bool:
    """Say whether a JPEG has more scans or segments than a picture needs, as soon as they are too many."""
    source.seek(0)
    if source.read(len(_JPEG)) != _JPEG:
        return False
    content, at, scans, segments = source.read(), 0, 0, 0
    while marker := _MARKER.search(content, at):
        kind, at = content[marker.end() - 1], marker.end()
        if kind == _END:
            # What follows is not of the picture: phones put a film there.
            return False
        scans += kind == _SCAN
        segments += 1
        if scans > _MOST_SCANS or segments > _MOST_SEGMENTS:
            return True
        at += max(int.from_bytes(content[at : at + 2]), 2)
    return False


def _small(picture: Image.Image) -> SmallPicture:
    # Of a JPEG only as much is decoded as this needs.
    picture.thumbnail((TALLEST, TALLEST))
    upright = ImageOps.exif_transpose(picture)
    upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    upright.thumbnail((WIDEST, TALLEST))
    # Pasted, so that nothing comes along that the file said of itself: place, camera, profile.
    bare = Image.new(upright.mode, upright.size)
    bare.paste(upright)
    made = BytesIO()
    bare.save(made, "WEBP", quality=80)
    return SmallPicture(made.getvalue(), bare.width, bare.height)
