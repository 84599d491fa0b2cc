"""The kinds of value that an expression is checked with, and the declarations they are read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Declared: TypeAlias = "str | Mapping[str, Declared] | Sequence[Declared]"
"""What a name stands for: "number", "text", "boolean", "timestamp", "date", "duration" or "any"; a mapping of
names; or a list of exactly one of these, for a list of it."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value."""

    name: str

    def __str__(self) -> str:
        return _IN_WORDS[self.name]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind."""

    element: Kind

    def __str__(self) -> str:
        return "a list"


@dataclass(frozen=True, slots=True)
class Record:
    """Names, each with a kind."""

    members: tuple[tuple[str, Kind], ...]

    def __str__(self) -> str:
        return "a group of names"


Kind: TypeAlias = Scalar | ListOf | Record

NUMBER, TEXT, BOOLEAN = Scalar("number"), Scalar("text"), Scalar("boolean")
TIMESTAMP, DATE, DURATION = Scalar("timestamp"), Scalar("date"), Scalar("duration")
ANY, NULL = Scalar("any"), Scalar("null")

_IN_WORDS: Final = {
    "number": "a number",
    "text": "text",
    "boolean": "yes or no",
    "timestamp": "a point in time",
    "date": "a date",
    "duration": "a length of time",
    "any": "anything",
    "null": "null",
}
_DECLARABLE: Final = {each.name: each for each in (NUMBER, TEXT, BOOLEAN, TIMESTAMP, DATE, DURATION, ANY)}
ORDERED: Final = frozenset({NUMBER, TEXT, TIMESTAMP, DATE, DURATION})


def read_kind(declared: Declared, where: str) -> Kind:
    """The kind that a declaration describes; raises ValueError for what is no declaration."""
    if isinstance(declared, str):
        if declared not in _DECLARABLE:
            raise ValueError(
                f"{where}: {declared!r} is not a kind of value; use one of {', '.join(_DECLARABLE)}"
            )
        return _DECLARABLE[declared]
    if isinstance(declared, Mapping):
        return Record(tuple((name, read_kind(each, f"{where}.{name}")) for name, each in declared.items()))
    if isinstance(declared, list | tuple) and len(declared) == 1:
        return ListOf(read_kind(declared[0], f"{where}[]"))
    raise ValueError(f"{where}: declare a kind, names, or a list of one kind")


def kind_hint(one: Kind, other: Kind) -> str:
    """How to write one of two kinds that were mixed up, or nothing."""
    kinds = {one, other}
    if kinds == {TIMESTAMP, TEXT}:
        return "; write timestamp('2026-12-24T12:00:00Z')"
    if kinds == {DATE, TEXT}:
        return "; write date('2026-12-24')"
    if kinds == {NUMBER, TEXT}:
        return "; write numbers without quotation marks"
    return ""


def paths_below(kind: Kind, name: str = "") -> Iterator[str]:
    """Every dotted name below ``kind``."""
    for member, below in kind.members if isinstance(kind, Record) else ():
        path = f"{name}.{member}" if name else member
        yield path
        yield from paths_below(below, path)
