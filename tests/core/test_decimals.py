"""P11: numbers as people of a place write them."""

# ruff: noqa: RUF001 - the digits of other places are meant.

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core.decimals import from_place, in_place


@pytest.mark.parametrize(
    ("language", "typed", "kept"),
    [
        ("en", "1,234.50", "1,234.50"),
        ("fr", "1234,50", "1234.50"),
        ("fr", "1 234,50", "1234.50"),
        ("fr", "1\u202f234\u00a0567,5", "1234567.5"),
        ("fr", "1234.50", "1234.50"),
        ("fr", "1,234", "1.234"),
        ("fr", "-0,5", "-0.5"),
        ("fr", "1,2,3", "1,2,3"),
        ("fr", "douze", "douze"),
        ("fr", "", ""),
        ("es", "1.234,50", "1234.50"),
        ("es", "12.500", "12500"),
        ("es", "0.125", "0.125"),
        ("es", "1234.50", "1234.50"),
        ("es", "1.234.56", "1.234.56"),
        ("ar", "١٢٣٤٫٥٠", "1234.50"),
        ("ar", "١٬٢٣٤", "1234"),
        ("ar", "1,234.5", "1234.5"),
        ("ar", "١٢ ٪", "١٢ ٪"),
        ("xx", "1,5", "1,5"),
        ("fr", "1" * 100_000 + ",", "1" * 100_000 + ","),
    ],
)
def test_a_number_is_read_as_its_readers_write_it(language: str, typed: str, kept: str) -> None:
    assert from_place(typed, language) == kept


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4), st.sampled_from(["en", "fr", "es", "ar"])
)
def test_what_stands_in_a_field_is_read_as_the_same_number(number: object, language: str) -> None:
    kept = f"{number:f}"
    assert from_place(in_place(kept, language), language) == kept


@given(st.text(max_size=40), st.sampled_from(["fr", "es", "ar"]))
def test_no_text_is_too_odd(text: str, language: str) -> None:
    assert isinstance(from_place(text, language), str)
