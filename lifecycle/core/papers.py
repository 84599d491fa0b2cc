"""PDF papers: a template of `templates/papers` with data; texts in the data are never read as markup."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import typst

_PACKAGE = Path(__file__).parent.parent
_FOLDER = _PACKAGE / "templates" / "papers"
# Beside the PDF library's own fonts (Latin, Greek, Cyrillic) and this machine's.
_FOLDER_OF_FONTS = _PACKAGE / "static" / "build" / "fonts"


def render_paper(name: str, data: Mapping[str, Any]) -> bytes:
    """Return the PDF of `templates/papers/<name>.typ` filled with `data`, which JSON must be able to hold.

    It is tagged, so that screen readers can read it. Latin, Greek, Cyrillic and Arabic letters are there on
    every machine; others print as boxes where no font of the machine has them.
    """
    given = json.dumps(data, ensure_ascii=False)
    pdf = typst.compile(_source(name), format="pdf", sys_inputs={"data": given}, font_paths=_fonts())
    assert isinstance(pdf, bytes)
    return pdf


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(font_paths=[_FOLDER_OF_FONTS])


@cache
def _source(name: str) -> bytes:
    return (_FOLDER / f"{name}.typ").read_bytes()


def moment_on_paper(at: datetime) -> str:
    """Return a time as papers have it, to the second: they are read years later, anywhere."""
    return f"{at:%-d %B %Y, %H:%M:%S} UTC"
