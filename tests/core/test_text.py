"""Typed text: what is kept of it, and the words it is searched for by."""

from __future__ import annotations

import pytest

from lifecycle.core.text import many_lines, one_line, search_words


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Nordwind \t Funk\n", "Nordwind Funk"),
        ("a\x00b\x07c", "a b c"),
        ("pay\u202efdp.exe", "payfdp.exe"),
        ("نت لاسلكي", "نت لاسلكي"),
        ("\ud800", ""),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
    ],
)
def test_a_line_keeps_what_can_be_seen(typed, kept):
    assert one_line(typed) == kept


def test_lines_stay_lines():
    assert many_lines(" one\r\ntwo\rthree\x00 ") == "one\ntwo\nthree"


def test_words_are_few_short_and_different():
    assert search_words("Acme  acme Acme") == ["Acme", "acme"]
    assert len(search_words(" ".join(str(n) for n in range(100)))) == 8
    assert search_words("x" * 10_000) == ["x" * 200]
    assert search_words("\x00 \u202e") == []
