"""A client's answer as people read it, for the client and for staff."""

from __future__ import annotations

from typing import Any

from lifecycle.governance.fields.values import show_value
from lifecycle.governance.language.model import Question


def show_answer(question: Question, value: Any) -> str:
    """Return an answer as people read it; one that was only typed so far as it was typed."""
    try:
        return show_value(question, value)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        return str(value)
