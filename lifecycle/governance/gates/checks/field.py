"""`field`: a field of the card or its account is filled, optionally within bounds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import field_validator

from lifecycle.governance.gates.checks.base import Ask, CheckType, Params, Reference, Verdict
from lifecycle.governance.gates.report import Remedy


class FieldParams(Params):
    """`name` is the field; bounds are for numbers and a table's rows, `one_of` lists what will do."""

    name: str
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    matches: str | None = None
    one_of: tuple[str, ...] = ()

    @field_validator("matches")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            if len(value) > 200:
                raise ValueError("a pattern may have 200 characters")
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"this is not a regular expression: {error}") from None
        return value


class FieldCheck(CheckType[FieldParams, None]):
    """Written `field: pain`, `field: [pain, urgency]` or `field: {name: price, at_least: 1}`."""

    keyword = "field"

    def read(self, written: Any) -> list[FieldParams]:
        """Return one check for each field named."""
        parts = written if isinstance(written, list) else [written]
        if not parts:
            raise ValueError("name at least one field")
        return [
            FieldParams.model_validate({"name": part} if isinstance(part, str) else part) for part in parts
        ]

    def name(self, params: FieldParams) -> str:
        """Return the field's key."""
        return params.name

    def references(self, params: FieldParams) -> list[Reference]:
        """Return the field; one that is compared with single values is no table."""
        single = [Reference("single_field", params.name)] if params.one_of or params.matches else []
        return [Reference("field", params.name), *single]

    def load(self, asks: Sequence[Ask]) -> None:
        """Load nothing: a card brings its fields along."""

    def judge(self, ask: Ask, params: FieldParams, facts: None) -> Verdict:
        """Say which field is empty, or what is wrong with its value."""
        definition = ask.subject.playbook.fields[params.name]
        value = ask.subject.value(params.name)
        remedy = Remedy("field", {"field": params.name})
        if definition.type == "table":
            return _judge_rows(definition.name, len(value or ()), params, remedy)
        if value is None or (definition.type == "yes_no" and value is False and params.one_of):
            return Verdict(False, f"{definition.name} is missing.", remedy)
        complaint = _complaint(value, params)
        if complaint:
            return Verdict(False, f"{definition.name} {complaint}.", remedy)
        return Verdict(True, f"{definition.name} is filled in.", remedy)


def _judge_rows(name: str, rows: int, params: FieldParams, remedy: Remedy) -> Verdict:
    """Say how many rows a table has, where one must be there, or so many."""
    has = f"{rows} row{'' if rows == 1 else 's'}"
    if not rows:
        return Verdict(False, f"{name}: nothing is written down yet.", remedy)
    if params.at_least is not None and rows < params.at_least:
        return Verdict(
            False, f"{name}: at least {params.at_least} rows are needed, and it has {has}.", remedy
        )
    if params.at_most is not None and rows > params.at_most:
        return Verdict(
            False, f"{name}: at most {params.at_most} rows may be there, and it has {has}.", remedy
        )
    return Verdict(True, f"{name}: {has} written down.", remedy)


def _complaint(value: Any, params: FieldParams) -> str | None:
    if params.one_of and str(value) not in params.one_of:
        return "must be " + " or ".join(params.one_of)
    if params.matches and not re.fullmatch(params.matches, str(value)[:1000]):
        return "does not have the required form"
    if params.at_least is None and params.at_most is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return "is not a number"
    if params.at_least is not None and amount < params.at_least:
        return f"must be at least {params.at_least}"
    if params.at_most is not None and amount > params.at_most:
        return f"must be at most {params.at_most}"
    return None
