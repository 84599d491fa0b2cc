"""Making a picture small, whatever somebody sent as one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Final

from PIL import Image, ImageOps

log = logging.getLogger(__name__)

WIDEST: Final = 480
TALLEST: Final = 960
# A picture of more takes more memory than it is worth; its header says how many it will have.
_MOST_PIXELS: Final = 50_000_000
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
    try:
        # Its size is asked for first: the library itself warns only at twice as many pixels.
        with Image.open(source, formats=_FORMATS) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                return None
            return _small(picture)
    except Exception as error:  # noqa: BLE001 - each format has its own ways of being broken
        log.info("no thumbnail of a picture: %s", type(error).__name__)
        return None


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
