"""Lengths of time as people say them: "2 business days", "4 business hours", "30 minutes".

A duration only says what was meant. What moment it leads to depends on a calendar and a time zone,
and is answered by ``lifecycle.core.calendars``.
"""

# ruff: noqa: TRY004 - to the author of a playbook, a value of the wrong type is a wrong value.

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

Unit = Literal["minutes", "hours", "days", "weeks"]

UNITS: Final[tuple[Unit, ...]] = get_args(Unit)

# Ten years, each unit counted as if it ran around the clock.
LONGEST: Final[dict[Unit, int]] = {
    "minutes": 3653 * 24 * 60,
    "hours": 3653 * 24,
    "days": 3653,
    "weeks": 521,
}

_EXAMPLES: Final = "write for example '2 business days', '4 business hours' or '30 minutes'"
_WORDS: Final = re.compile(r"([0-9]+) +(business +)?(minute|hour|day|week)s?", re.IGNORECASE)
_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Duration:
    """A whole number of minutes, hours, days or weeks, counted in business time or not.

    ``amount`` is at least 1 and at most ten years of its unit. There are no business weeks: how many
    days they have differs from calendar to calendar, so business days are asked for instead.
    Raises ValueError, with a sentence for the author of a playbook, for anything else.
    """

    amount: int
    unit: Unit
    business: bool = False

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"{self.unit!r} is not a unit of time; use minutes, hours, days or weeks")
        if type(self.amount) is not int:
            raise ValueError(f"{self.amount!r} is not a whole number of {self.unit}")
        if self.amount < 1:
            raise ValueError(f"a time must be at least 1 {self.unit[:-1]}; {_EXAMPLES}")
        if self.amount > LONGEST[self.unit]:
            raise ValueError(f"a time can be ten years at most, that is {LONGEST[self.unit]} {self.unit}")
        if self.business and self.unit == "weeks":
            raise ValueError("business weeks are not counted; write for example '5 business days'")

    def __str__(self) -> str:
        """The canonical words, which ``parse_duration`` reads back to an equal duration."""
        unit = self.unit[:-1] if self.amount == 1 else self.unit
        return f"{self.amount} {'business ' if self.business else ''}{unit}"


def parse_duration(text: str) -> Duration:
    """The duration that ``text`` says; raises ValueError with a sentence a playbook author can act on.

    Upper and lower case, plural or not, and extra blanks make no difference.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a time; {_EXAMPLES}")
    words = " ".join(text.split())
    shown = words if len(words) <= 40 else f"{words[:40]}…"
    match = _WORDS.fullmatch(words)
    if match is None:
        raise ValueError(f"'{shown}' is not a time; {_EXAMPLES}")
    digits, business, unit = match.groups()
    plural = cast(Unit, f"{unit.lower()}s")
    if len(digits.lstrip("0")) > _MOST_DIGITS:
        raise ValueError(
            f"'{shown}' is too long; a time can be ten years at most, that is {LONGEST[plural]} {plural}"
        )
    try:
        return Duration(int(digits), plural, business is not None)
    except ValueError as error:
        raise ValueError(f"'{shown}' cannot be used: {error}") from None
