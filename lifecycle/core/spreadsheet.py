"""CSV that a spreadsheet shows and never computes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

BYTE_ORDER_MARK = "\ufeff"
"""Stands before the first line: it makes Excel read the file as UTF-8."""


def csv_line(cells: Sequence[str]) -> str:
    """Return one line of CSV with its line end; no cell can be taken for a formula."""
    kept = io.StringIO()
    csv.writer(kept).writerow([_harmless(cell) for cell in cells])
    return kept.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.lstrip()[:1] in ("=", "+", "-", "@", "\t", "\r", "|", "%") else cell
