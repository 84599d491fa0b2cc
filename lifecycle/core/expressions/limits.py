"""How much an expression, and what it works with, may be: its cost is bounded when it is published."""

from __future__ import annotations

from typing import Final

LONGEST_TEXT: Final = 1000
DEEPEST: Final = 64
LONGEST_LITERAL_LIST: Final = 50
LONGEST_LIST: Final = 500
LONGEST_VALUE: Final = 20_000
MOST_DIGITS: Final = 30
MOST_LISTS_PER_ITEM: Final = 3
