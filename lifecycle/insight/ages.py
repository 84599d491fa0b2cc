"""For how long something has waited, in the steps that a manager looks at (L10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

# The last step has no end.
AGES: Final = (("Up to 3 days", 3), ("4 to 7 days", 7), ("8 to 14 days", 14), ("Over 14 days", None))


def age_conditions(
    since: sa.ColumnElement[datetime] | InstrumentedAttribute[Any], at: datetime | sa.ColumnElement[datetime]
) -> list[sa.ColumnElement[bool]]:
    """Return for each of AGES the condition that what began at `since` is in it at `at`."""
    starts = [at - timedelta(days=days) if days else None for _, days in AGES]
    newest = [None, *starts[:-1]]
    return [
        sa.and_(
            sa.true(),
            *([since >= oldest] if oldest is not None else []),
            *([since < younger] if younger is not None else []),
        )
        for oldest, younger in zip(starts, newest, strict=True)
    ]


def age_of(text: str | None) -> int | None:
    """Return which of AGES an address means; None for all."""
    return int(text) if text in {str(number) for number in range(len(AGES))} else None
