"""Durations are words, and the words come back (E11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core.durations import LONGEST, UNITS, Duration, parse_duration


@st.composite
def durations(draw: st.DrawFn) -> Duration:
    unit = draw(st.sampled_from(UNITS))
    amount = draw(st.integers(1, LONGEST[unit]))
    return Duration(amount, unit, draw(st.booleans()) and unit != "weeks")


@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("2 business days", Duration(2, "days", True), "2 business days"),
        ("4 business hours", Duration(4, "hours", True), "4 business hours"),
        ("30 minutes", Duration(30, "minutes"), "30 minutes"),
        ("3 days", Duration(3, "days"), "3 days"),
        ("1 week", Duration(1, "weeks"), "1 week"),
        ("1 business day", Duration(1, "days", True), "1 business day"),
        ("  1   Business DAYS ", Duration(1, "days", True), "1 business day"),
        ("90 business minutes", Duration(90, "minutes", True), "90 business minutes"),
        ("007 days", Duration(7, "days"), "7 days"),
    ],
)
def test_words_are_read_and_written_in_one_way(text: str, expected: Duration, words: str) -> None:
    assert parse_duration(text) == expected
    assert str(expected) == words


def test_a_misspelling_is_answered_with_examples() -> None:
    with pytest.raises(ValueError, match="buisness") as refusal:
        parse_duration("2 buisness days")
    assert str(refusal.value) == (
        "'2 buisness days' is not a time; "
        "write for example '2 business days', '4 business hours' or '30 minutes'"
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("0 days", "at least 1 day"),
        ("-1 days", "is not a time"),
        ("1.5 hours", "is not a time"),
        ("", "is not a time"),
        ("2businessdays", "is not a time"),
        ("٣ days", "is not a time"),
        ("4000 days", "ten years at most, that is 3653 days"),
        ("9" * 5000 + " minutes", "ten years at most"),
        ("2 business weeks", "'5 business days'"),
        ("x" * 500, "xxx…' is not a time"),
    ],
)
def test_what_is_not_a_duration_is_refused_with_a_sentence(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=r"^'") as refusal:
        parse_duration(text)
    assert part in str(refusal.value)
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize("value", [2, None, True, ["1 day"]])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_duration(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [0, -1, 3654, True, 1.0])
def test_amounts_are_whole_and_bounded(amount: int) -> None:
    with pytest.raises(ValueError, match=r"whole number|at least 1|ten years"):
        Duration(amount, "days")


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a unit of time"):
        Duration(1, "months")  # type: ignore[arg-type]


@given(durations())
def test_words_round_trip(duration: Duration) -> None:
    assert parse_duration(str(duration)) == duration


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        parsed = parse_duration(text)
    except ValueError:
        return
    assert parse_duration(str(parsed)) == parsed
