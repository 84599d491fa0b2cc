"""How many parts a text takes as an SMS: of 160 GSM letters, or of 70 as soon as one is not among them."""

from __future__ import annotations

from typing import Final

MOST_SEGMENTS: Final = 6
"""A longer text is not cut: it is refused when it is published, or goes by mail."""

# 3GPP TS 23.038: the default alphabet, and what takes two places in it.
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€\f")


def count_segments(text: str) -> int:
    """Return how many parts a text is sent and paid as; a long one loses a few places in each to its number.

    A letter of two places is not torn apart: where it would be, its part ends before it.
    """
    if all(letter in _BASIC or letter in _EXTENDED for letter in text):
        return _parts([2 if letter in _EXTENDED else 1 for letter in text], 160, 153)
    return _parts([len(letter.encode("utf-16-be", "surrogatepass")) // 2 for letter in text], 70, 67)


def _parts(widths: list[int], alone: int, within: int) -> int:
    if sum(widths) <= alone:
        return 1
    parts, used = 1, 0
    for width in widths:
        if used + width > within:
            parts, used = parts + 1, 0
        used += width
    return parts
