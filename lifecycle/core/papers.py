"""PDF papers: a template of `templates/papers` with data; texts in the data are never read as markup."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import typst

_FOLDER = Path(__file__).parent.parent / "templates" / "papers"


def render_paper(name: str, data: Mapping[str, Any]) -> bytes:
    """Return the PDF of `templates/papers/<name>.typ` filled with `data`, which JSON must be able to hold.

    It is tagged, so that screen readers can read it; letters that no font of this machine has print as boxes.
    """
    given = json.dumps(data, ensure_ascii=False)
    pdf = typst.compile(_source(name), format="pdf", sys_inputs={"data": given})
    assert isinstance(pdf, bytes)
    return pdf


@cache
def _source(name: str) -> bytes:
    return (_FOLDER / f"{name}.typ").read_bytes()


def moment_on_paper(at: datetime) -> str:
    """Return a time as papers have it, to the second: they are read years later, anywhere."""
    return f"{at:%-d %B %Y, %H:%M:%S} UTC"
