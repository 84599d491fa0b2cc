"""What an SMS counts as, at the edges where it becomes more; figures of 3GPP TS 23.038."""

from __future__ import annotations

import pytest

from lifecycle.records.sms.segments import count_segments


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        # Two places each, and none torn apart.
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("a" * 151 + "€" + "a" * 153, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        # Outside the first plane a letter is two.
        ("🙂" * 35, 1),
        ("🙂" * 36, 2),
        ("🙂" * 66, 2),
        ("🙂" * 67, 3),
        # One letter that phones do not know makes all of it dearer.
        ("a" * 159 + "ç", 3),
        ("a" * 159 + "Ç", 1),
    ],
)
def test_a_text_counts_as_so_many_parts(text: str, parts: int) -> None:
    assert count_segments(text) == parts
