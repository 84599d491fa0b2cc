"""Counting the functions that a call enters: what it costs, on any machine."""

from __future__ import annotations

import sys
from collections.abc import Callable


def count_calls(call: Callable[[], object]) -> int:
    """How many functions `call` enters, Python's and C's. If its first time costs more, call it before."""
    entered = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal entered
        entered += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
    return entered
