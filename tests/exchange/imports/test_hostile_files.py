"""Files that cannot be read: each is refused in a sentence that says what is wrong and where."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core.errors import Invalid
from lifecycle.exchange.imports.reading import read_csv, survey

LINE = "a,b,c\n1,2,3\n"

REFUSED = {
    "empty": (b"", "is empty"),
    "blanks": (b"  \r\n \n", "is empty"),
    "header only": (b"a,b\n", "a header and no rows"),
    "NUL bytes": (b"a,b\n1,\x002\n", "NUL"),
    "Excel workbook": (b"PK\x03\x04 anything", "Excel workbook"),
    "old Excel workbook": (b"\xd0\xcf\x11\xe0 anything", "old Excel"),
    "PDF": (b"%PDF-1.7", "a PDF"),
    "one column": (b"name\nada\n", "only one column"),
    "duplicate header": (b"id,Name,name\n1,2,3\n", "Columns 2 and 3 of “f.csv” are both called “name”"),
    "blank header": (b"id,,name\n1,2,3\n", "Column 2 of “f.csv” has no name"),
    "endless quotation": (b'a,b\n1,2\n3,"4\n5,6\n7,8\n', "Row 3 of “f.csv” (line 3) opens a quotation mark"),
    "stray quotation": (b'a,b\n1,"2"x\n', "quotation mark in the wrong place"),
    "huge cell": (
        b"a,b\n1," + b"x" * 10_000_000 + b"\n",
        "Row 2 of “f.csv” (line 2) has a cell of more than",
    ),
    "cut UTF-16": ("a,b\n1,2\n".encode("utf-16")[:-1], "UTF-16 and breaks off"),
    "no text": (bytes(range(1, 256)) * 20, "neither UTF-8 nor Western European"),
    "too many columns": (",".join(f"c{n}" for n in range(400)).encode() + b"\n1\n", "400 columns"),
    "long header": (b"a," + b"b" * 500 + b"\n1,2\n", "longer than 120 characters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_file_is_refused_in_a_sentence(case):
    content, said = REFUSED[case]
    with pytest.raises(Invalid) as refusal:
        survey(read_csv("f.csv", content))
    assert said in refusal.value.sentence
    assert refusal.value.sentence.endswith(".")


READ = {
    "plain": LINE.encode(),
    "UTF-8 with mark": LINE.encode("utf-8-sig"),
    "UTF-16": LINE.encode("utf-16"),
    "UTF-16 without mark": LINE.encode("utf-16-le"),
    "UTF-16 big-endian without mark": LINE.encode("utf-16-be"),
    "semicolons": b"a;b;c\n1;2;3\n",
    "tabs": b"a\tb\tc\n1\t2\t3\n",
    "Windows lines": b"a,b,c\r\n1,2,3\r\n",
    "old Mac lines": b"a,b,c\r1,2,3\r",
    "no last line break": b"a,b,c\n1,2,3",
    "Excel's own first line": b"sep=;\r\na;b;c\r\n1;2;3\r\n",
    "trailing separators": b"a,b,c,,\n1,2,3,,\n",
    "quoted": b'"a","b","c"\n"1","2","3"\n',
}


@pytest.mark.parametrize("case", READ)
def test_a_file_of_any_program_is_read(case):
    source = read_csv("f.csv", READ[case])
    assert source.header == ("a", "b", "c")
    assert [row.cells for row in source.rows()] == [("1", "2", "3")]


def test_latin_1_is_read_and_said():
    source = read_csv("f.csv", "name,town\nJosé,Köln\n".encode("latin-1"))
    assert next(source.rows()).cells == ("José", "Köln")
    assert "not UTF-8 (line 2)" in source.notes[0]


def test_rows_are_numbered_as_a_spreadsheet_shows_them():
    source = read_csv("f.csv", b'a,b\n1,"two\nlines"\n\n3\n5,6,7\n8,9\n')
    rows = list(source.rows())
    assert [(row.number, row.cells) for row in rows if not row.problem] == [
        (2, ("1", "two\nlines")),
        (6, ("8", "9")),
    ]
    assert {row.number: row.problem for row in rows if row.problem} == {
        4: "This row has 1 cell; the header has 2.",
        5: "This row has 3 cells; the header has 2. "
        "A cell with a separator in it must stand in quotation marks.",
    }


@given(st.binary(max_size=400))
def test_whatever_the_bytes_are_there_is_an_answer(content):
    with suppress(Invalid):
        survey(read_csv("f.csv", content))


@given(st.text(max_size=400))
def test_whatever_the_text_is_there_is_an_answer(text):
    with suppress(Invalid):
        survey(read_csv("f.csv", ("a,b\n" + text).encode("utf-8", "surrogatepass")))
