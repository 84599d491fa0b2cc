"""Why an expression cannot be published, or has no answer."""

from __future__ import annotations


class ExpressionError(ValueError):
    """An expression cannot be published, or has no answer for these values.

    ``sentence`` says why; ``column`` (from 1) and ``line`` say where, when that is known.
    """

    def __init__(self, sentence: str, column: int | None = None, line: int = 1) -> None:
        self.sentence = sentence
        self.column = column
        self.line = line
        place = f"line {line}, column {column}" if line > 1 else f"column {column}"
        super().__init__(sentence if column is None else f"{sentence} ({place})")
