"""Reading a CSV file whatever program wrote it, and saying in a sentence what is wrong with it.

The bytes become text once; rows are then read one by one. What concerns the whole file (encoding, quotes,
header) is refused here; what concerns one row is told with the row.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lifecycle.core.errors import Invalid
from lifecycle.core.text import one_line

MOST_BYTES = 100 * 1024 * 1024
MOST_ROWS = 200_000
MOST_COLUMNS = 300
LONGEST_HEADER = 120
LARGEST_CELL = 100_000
_SAMPLES = 3
_DISTINCT = 60
_SHOWN = 60

_NOT_TEXT = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x1f\x8b", "a compressed file"),
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Row:
    """One row: its number as a spreadsheet shows it (the header is 1), and its cells.

    `problem` says why its cells cannot be told apart; there are none then.
    """

    number: int
    cells: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True)
class CsvText:
    """A CSV file as text, with its header. `notes` say what was decided while reading it."""

    name: str
    text: str
    delimiter: str
    header: tuple[str, ...]
    header_number: int = 1
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[Row]:
        """Yield the rows one by one; wholly empty ones are left out, and counted in the numbers.

        Raises:
            Invalid: the file breaks off inside a quotation, or a cell is too large.
        """
        for number, cells in _records(self.name, self.text, self.delimiter):
            if number <= self.header_number or not any(cell.strip() for cell in cells):
                continue
            yield self._row(number, cells)

    def _row(self, number: int, cells: Sequence[str]) -> Row:
        width = len(self.header)
        if len(cells) < width:
            count = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            return Row(number, (), f"This row has {count}; the header has {width}.")
        if any(cell.strip() for cell in cells[width:]):
            return Row(
                number,
                (),
                f"This row has {len(cells)} cells; the header has {width}. "
                "A cell with a separator in it must stand in quotation marks.",
            )
        return Row(number, tuple(cells[:width]))


@dataclass
class ColumnFacts:
    """What one column holds: how often it is filled, some values, and all of them when they are few."""

    name: str
    filled: int = 0
    samples: list[str] = field(default_factory=list)
    values: Counter[str] | None = field(default_factory=Counter)

    def add(self, cell: str) -> None:
        """Take one cell into account."""
        text = one_line(cell[:200])
        if not text:
            return
        self.filled += 1
        if len(self.samples) < _SAMPLES and text not in self.samples:
            self.samples.append(text[:_SHOWN])
        if self.values is not None:
            self.values[text] += 1
            if len(self.values) > _DISTINCT:
                self.values = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON; `values` is a list of (value, rows) or None."""
        values = self.values.most_common() if self.values is not None else None
        return {"name": self.name, "filled": self.filled, "samples": self.samples, "values": values}


def read_csv(name: str, content: bytes) -> CsvText:
    """Return the file's text with its header.

    Raises:
        Invalid: it is no CSV file, is empty, or its header cannot be used.
    """
    shown = one_line(name)[:_SHOWN] or "the file"
    text, notes = _decode(shown, content)
    if not text.strip():
        raise Invalid(f"“{shown}” is empty. Choose a file with a header and at least one row.")
    if "\0" in text:
        raise Invalid(f"“{shown}” has NUL characters in it, so it is not plain text. Save it as CSV again.")
    delimiter, header_number = _delimiter(shown, text)
    header = _header(shown, text, delimiter, header_number)
    if delimiter != ",":
        notes = (*notes, f"The columns are separated by {DELIMITERS.get(delimiter, 'another character')}.")
    return CsvText(shown, text, delimiter, header, header_number, notes)


def survey(source: CsvText) -> tuple[int, list[ColumnFacts]]:
    """Read the whole file once; return the number of rows and what each column holds.

    Raises:
        Invalid: it breaks off inside a quotation, or has no rows, too many, or too large a cell.
    """
    columns = [ColumnFacts(name) for name in source.header]
    count = 0
    for row in source.rows():
        count += 1
        if count > MOST_ROWS:
            raise Invalid(f"“{source.name}” has more than {MOST_ROWS:,} rows. Split it into several files.")
        for column, cell in zip(columns, row.cells, strict=False):
            column.add(cell)
    if count == 0:
        raise Invalid(f"“{source.name}” has a header and no rows.")
    return count, columns


def _decode(name: str, content: bytes) -> tuple[str, tuple[str, ...]]:
    if len(content) > MOST_BYTES:
        raise Invalid(
            f"“{name}” is larger than {MOST_BYTES // 1024 // 1024} MB. Split it into several files."
        )
    for mark, what in _NOT_TEXT:
        if content.startswith(mark):
            raise Invalid(
                f"“{name}” is {what}, not a CSV file. Save the sheet as “CSV UTF-8” and choose that."
            )
    for mark, codec, called in _MARKS:
        if content.startswith(mark):
            return _decoded(name, content, codec, called)
    half = content[:2000]
    if half and half.count(0) > len(half) // 4:
        # Plain letters in UTF-16 have every second byte zero; which one tells the order.
        codec = "utf-16-le" if half[1::2].count(0) >= half[::2].count(0) else "utf-16-be"
        return _decoded(name, content, codec, "UTF-16")
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        place = content.count(b"\n", 0, error.start) + 1
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise Invalid(
            f"“{name}” is neither UTF-8 nor Western European text (line {place:,}). Save it as “CSV UTF-8”."
        ) from None
    note = (
        f"The file is not UTF-8 (line {place:,}); it was read as Western European text (Latin-1). "
        "Look at names with accents before you go on."
    )
    return text, (note,)


def _decoded(name: str, content: bytes, codec: str, called: str) -> tuple[str, tuple[str, ...]]:
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        raise Invalid(f"“{name}” begins as {called} and breaks off. Save it as “CSV UTF-8” again.") from None
    return text, () if called == "UTF-8" else (f"The file was read as {called}.",)


def _delimiter(name: str, text: str) -> tuple[str, int]:
    """Return the separator and the header's row number (2 after Excel's own `sep=;` line)."""
    first, _, rest = text.partition("\n")
    first = first.strip("\r")
    if first.lower().startswith("sep=") and len(first) == 5 and not first[4].isalnum():
        return first[4], 2
    line = _outside_quotes(first if first.strip() else rest.lstrip().partition("\n")[0])
    counts = {mark: line.count(mark) for mark in DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    if counts[best] == 0:
        raise Invalid(
            f"“{name}” has only one column. A CSV file separates its columns by commas, semicolons or tabs."
        )
    return best, 1


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _header(name: str, text: str, delimiter: str, header_number: int) -> tuple[str, ...]:
    cells: list[str] = []
    for number, record in _records(name, text, delimiter):
        if number >= header_number:
            cells = [one_line(cell[:1000]) for cell in record]
            break
    while cells and not cells[-1]:
        cells.pop()
    if not cells:
        raise Invalid(f"“{name}” has no header: its first row must name the columns.")
    if len(cells) > MOST_COLUMNS:
        raise Invalid(f"“{name}” has {len(cells):,} columns; at most {MOST_COLUMNS} can be read.")
    _refuse_names(name, cells)
    return tuple(cells)


def _refuse_names(name: str, cells: Sequence[str]) -> None:
    folded: dict[str, int] = {}
    for position, cell in enumerate(cells, start=1):
        if not cell:
            raise Invalid(f"Column {position} of “{name}” has no name in the header. Name it or delete it.")
        if len(cell) > LONGEST_HEADER:
            raise Invalid(
                f"The name of column {position} of “{name}” is longer than {LONGEST_HEADER} characters. "
                "Its first row must name the columns."
            )
        before = folded.setdefault(cell.casefold(), position)
        if before != position:
            raise Invalid(
                f"Columns {before} and {position} of “{name}” are both called “{cell}”. Rename one."
            )


def _records(name: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # Strict: a quotation that never ends would otherwise swallow the rest of the file as one cell.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Invalid(_broken(name, number + 1, begins, str(error))) from None
        number += 1
        if any(len(cell) > LARGEST_CELL for cell in cells):
            raise Invalid(_broken(name, number, begins, "field larger"))
        yield number, cells


def _broken(name: str, number: int, line: int, error: str) -> str:
    where = f"Row {number:,} of “{name}” (line {line:,})"
    if "field larger" in error:
        return (
            f"{where} has a cell of more than {LARGEST_CELL:,} characters. "
            "Perhaps a quotation mark is opened there and never closed."
        )
    if "unexpected end" in error:
        return f"{where} opens a quotation mark that is never closed. Close it, or write it twice."
    return f"{where} has a quotation mark in the wrong place. Inside a quoted cell it is written twice."
