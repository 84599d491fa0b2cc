"""Values of fields: read from what people type, refused with what would be right, never guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.governance.fields.values import ValueRefused, clean_text, read_value, show_value
from lifecycle.governance.language.model import FieldDef, Option, SimpleType

OPTIONS = (Option("red", "Red"), Option("blue", "Deep blue"))
TYPES: tuple[SimpleType, ...] = SimpleType.__args__  # type: ignore[attr-defined]


def _field(kind: Any, **more: Any) -> FieldDef:
    return FieldDef("it", "It", kind, options=OPTIONS, **more)


@pytest.mark.parametrize(
    ("kind", "typed", "kept", "shown"),
    [
        ("text", "  a \t b ", "a b", "a b"),
        ("long_text", " a\r\n b ", "a\n b", "a\n b"),
        ("integer", "1,200", 1200, "1200"),
        ("number", "-1.50", "-1.5", "-1.5"),
        ("money", "1 200", "1200.00", "1,200.00 EUR"),
        ("money", "1,234,567.8", "1234567.80", "1,234,567.80 EUR"),
        ("percent", "12.50 %", "12.5", "12.5 %"),
        ("percent", "100", "100", "100 %"),
        ("date", "2026-11-30", "2026-11-30", "30 Nov 2026"),
        ("choice", "deep BLUE", "blue", "Deep blue"),
        ("choices", "red, Deep blue, red", ["red", "blue"], "Red, Deep blue"),
        ("yes_no", "YES", True, "Yes"),
        ("yes_no", "no", False, "No"),
        ("email", "Ana@Example.COM", "Ana@example.com", "Ana@example.com"),
        ("phone", "+34 912345678", "+34 912 34 56 78", "+34 912 34 56 78"),
        ("url", "https://example.com/a?b=c", "https://example.com/a?b=c", "https://example.com/a?b=c"),
    ],
)
def test_e4_what_is_typed_is_kept_in_one_form(kind: str, typed: str, kept: Any, shown: str) -> None:
    definition = _field(kind)
    value = read_value(definition, typed)
    assert value == kept
    assert type(value) is type(kept)
    assert show_value(definition, value, "EUR") == shown
    assert read_value(definition, value if isinstance(value, list) else str(value)) == kept


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("integer", "1.5"),
        ("number", "1,5"),
        ("number", "1.234.567"),
        ("money", "1.005"),
        ("money", "NaN"),
        ("money", "1e5"),
        ("money", "9" * 13),
        ("date", "30.11.2026"),
        ("date", "11/30/2026"),
        ("date", "2026-02-29"),
        ("choice", "green"),
        ("choices", "red, green"),
        ("yes_no", "maybe"),
        ("email", "ana@"),
        ("phone", "912345678"),
        ("url", "javascript:alert(1)"),
        ("url", "//example.com"),
        ("text", "x" * 501),
        ("long_text", "x" * 20_001),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_sentence(kind: str, typed: str) -> None:
    with pytest.raises(ValueRefused, match=r"^It[ :].*\.$"):
        read_value(_field(kind), typed)


def test_several_values_are_refused_where_one_is_wanted() -> None:
    with pytest.raises(ValueRefused, match="It takes one value"):
        read_value(_field("text"), ["a", "b"])


@pytest.mark.parametrize("kind", TYPES)
def test_nothing_is_nothing_in_every_type(kind: str) -> None:
    nothing: tuple[Any, ...] = ("", "  ", "\u202e", None, [])
    for typed in nothing:
        assert read_value(_field(kind), typed) is None
    assert show_value(_field(kind), None) == ""


def test_bounds_and_patterns_hold_for_what_people_type() -> None:
    bounded = _field("integer", minimum=Decimal(1), maximum=Decimal(5))
    assert read_value(bounded, "5") == 5
    for typed, sentence in (("0", "It must be at least 1."), ("6", "It must be at most 5.")):
        with pytest.raises(ValueRefused, match=sentence):
            read_value(bounded, typed)
    short = _field("text", maximum=Decimal(3))
    with pytest.raises(ValueRefused, match="at most 3 characters"):
        read_value(short, "abcd")
    code = _field("text", pattern="[A-Z]{3}", pattern_says="write three capital letters")
    assert read_value(code, "ABC") == "ABC"
    with pytest.raises(ValueRefused, match="It: write three capital letters"):
        read_value(code, "ABCD")


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=60, deadline=None)
@given(typed=st.one_of(st.text(max_size=60), st.lists(st.text(max_size=10), max_size=4)))
def test_r10_any_text_is_kept_or_refused_and_what_is_kept_can_be_shown(kind: str, typed: Any) -> None:
    definition = _field(kind)
    try:
        value = read_value(definition, typed)
    except ValueRefused:
        return
    assert "\x00" not in show_value(definition, value)


@given(st.text())
def test_clean_text_leaves_no_control_and_no_override_character_and_settles(text: str) -> None:
    for keep_lines in (False, True):
        cleaned = clean_text(text, keep_lines=keep_lines)
        assert not set(cleaned) & set("\x00\x1b\u202a\u202e\u2066\u2069")
        assert cleaned == cleaned.strip()
        assert clean_text(cleaned, keep_lines=keep_lines) == cleaned
