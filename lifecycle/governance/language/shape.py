"""Hold a file against its model, and say in an author's words where it does not fit."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lifecycle.governance.language.errors import Path, nearest, shown
from lifecycle.governance.language.reading import Source

Document = TypeVar("Document", bound=BaseModel)

_KINDS: Final[dict[str, str]] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "yes or no",
    "bool_parsing": "yes or no",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "date_type": "a date, for example 2026-12-24",
    "date_parsing": "a date, for example 2026-12-24",
    "date_from_datetime_parsing": "a date, for example 2026-12-24",
    "list_type": "a list",
    "dict_type": "keys with values ('key: value')",
    "model_type": "keys with values ('key: value')",
    "model_attributes_type": "keys with values ('key: value')",
}


def validated(model: type[Document], source: Source) -> Document | None:
    """Return the file as its model, or None with every misfit added to the source's errors."""
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        source.errors.extend(
            source.error(path, sentence, remedy, key=is_key)
            for path, sentence, remedy, is_key in misfits(model, error)
        )
    return None


def misfits(model: type[BaseModel], error: ValidationError) -> Iterator[tuple[Path, str, str, bool]]:
    """Yield path, sentence, remedy, and whether the key itself is at fault, for each misfit."""
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        is_key = bool(location) and location[-1] == "[key]"
        path: Path = tuple(part for part in location if part != "[key]")
        sentence, remedy, of_key = _in_words(model, path, detail)
        yield path, sentence, remedy, is_key or of_key


def _in_words(model: type[BaseModel], path: Path, detail: ErrorDetails) -> tuple[str, str, bool]:
    kind, context, given = detail["type"], detail.get("ctx", {}), detail.get("input")
    if kind == "extra_forbidden":
        return (
            f"'{shown(path[-1])}' is not a key here",
            nearest(path[-1], _known_keys(model, path[:-1])),
            True,
        )
    if kind == "missing":
        return f"'{shown(path[-1])}' is missing", f"write '{shown(path[-1])}: …'", False
    if kind == "literal_error":
        words = [word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return f"'{shown(given)}' is not possible here", nearest(given, words), False
    if kind in _KINDS:
        given_words = f"not '{shown(given)}'" if _is_scalar(given) else f"not {_described(given)}"
        return f"this must be {_KINDS[kind]}, {given_words}", "", False
    if kind == "value_error":
        subject = f"'{shown(given)}' cannot be used: " if _is_scalar(given) else ""
        return f"{subject}{context['error']}", "", False
    return _bound_in_words(kind, context, given)


def _bound_in_words(kind: str, context: Mapping[str, Any], given: Any) -> tuple[str, str, bool]:
    if kind in {"string_too_short", "too_short"}:
        return "this must not be empty", "", False
    if kind == "string_too_long":
        return f"this is longer than {context['max_length']} characters", "shorten it", False
    if kind == "too_long":
        return f"this has more than {context['max_length']} entries", "", False
    for bound, words in (("ge", "at least"), ("le", "at most"), ("gt", "more than"), ("lt", "less than")):
        if bound in context:
            return f"this must be {words} {context[bound]}, not {shown(given)}", "", False
    return (
        f"'{shown(given)}' cannot be used here" if _is_scalar(given) else "this cannot be used here",
        "",
        False,
    )


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _described(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "a set of keys" if isinstance(value, dict) else "nothing"


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that may stand at `path`."""
    kind: Any = model
    for part in path:
        kind = _inside(kind, part)
    found = _bare(kind)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        return []
    return [info.alias or name for name, info in found.model_fields.items()]


def _inside(kind: Any, part: str | int) -> Any:
    """Return the type of what stands at `part` of something of type `kind`."""
    bare = _bare(kind)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        for name, info in bare.model_fields.items():
            if part in (info.alias, name):
                return info.annotation
        return None
    arguments = get_args(bare)
    return arguments[-1] if arguments else None


def _bare(kind: Any) -> Any:
    """Return a type without its annotations and without 'or None'."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType):
            kind = next(part for part in get_args(kind) if part is not type(None))
        else:
            return kind
