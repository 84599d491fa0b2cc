"""CSV as spreadsheets read it: in UTF-8, and with no cell that could be taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

# Makes Excel read a file as UTF-8; stands before the first line.
UTF8_MARK = "\ufeff"
_BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "|", "%")


def csv_line(cells: Iterable[str]) -> str:
    """Return one line of CSV, with its line end."""
    kept = io.StringIO()
    csv.writer(kept).writerow([_harmless(cell) for cell in cells])
    return kept.getvalue()


def _harmless(cell: str) -> str:
    """Return the cell so that a spreadsheet shows it and never computes it."""
    return f"'{cell}" if cell.lstrip()[:1] in _BEGIN_FORMULAS else cell
