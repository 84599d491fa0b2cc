"""What differs between two contents of a playbook, as sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.governance.language.errors import Path, path_in_words, shown
from lifecycle.governance.playbooks.load import FOLDERS, without_words

_NOTHING: Final = object()


@dataclass(frozen=True)
class Change:
    """One difference, at a place written as in the files: `growth: stages.engaged.sla`."""

    place: str
    sentence: str

    def __str__(self) -> str:
        """Return place and sentence on one line."""
        return f"{self.place}: {self.sentence}"


def changes_between(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what became of `old`, in the order of the files; without `old` everything is new."""
    if old is None:
        return (
            Change(
                str(new.get("playbook", {}).get("playbook", "playbook")), "is published for the first time"
            ),
        )
    said = _differences(_readable(without_words(old)), _readable(without_words(new)), ())
    return (*said, *_of_words(old.get("words", {}), new.get("words", {})))


def _of_words(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> Iterator[Change]:
    """Yield how many sentences of each language changed: nobody reads hundreds of them here."""
    for language in sorted(old.keys() | new.keys()):
        before, after = old.get(language, {}), new.get(language, {})
        changed = sum(before.get(text) != after.get(text) for text in before.keys() | after.keys())
        if changed:
            sentences = "1 sentence" if changed == 1 else f"{changed} sentences"
            yield Change(f"words/{language}", f"{sentences} changed")


class _InOrder(dict[str, Any]):
    """A mapping whose order means something."""


def _differences(old: Any, new: Any, path: Path) -> Iterator[Change]:
    if old == new:
        if isinstance(new, _InOrder) and list(old) != list(new):
            yield Change(_place(path), f"the order is now {', '.join(map(shown, new))}")
        return
    if old is _NOTHING:
        yield Change(_place(path), f"added{_said(new)}")
    elif new is _NOTHING:
        yield Change(_place(path), f"removed{_said(old)}")
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _of_mappings(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(old, new, path)
    else:
        before, after = _short(old), _short(new)
        yield Change(_place(path), f"{before} → {after}" if before != after else f"changed behind {after}")


def _of_mappings(old: dict[str, Any], new: dict[str, Any], path: Path) -> Iterator[Change]:
    for key in [*new, *(key for key in old if key not in new)]:
        yield from _differences(old.get(key, _NOTHING), new.get(key, _NOTHING), (*path, key))
    kept = [key for key in new if key in old]
    if isinstance(new, _InOrder) and [key for key in old if key in new] != kept:
        yield Change(_place(path), f"the order is now {', '.join(map(shown, new))}")


def _of_lists(old: list[Any], new: list[Any], path: Path) -> Iterator[Change]:
    for item in old:
        if item not in new:
            yield Change(_place(path), f"removed {_short(item)}")
    for item in new:
        if item not in old:
            yield Change(_place(path), f"added {_short(item)}")
    if all(item in new for item in old) and all(item in old for item in new):
        yield Change(_place(path), f"the order is now {', '.join(map(_short, new))}")


def _readable(value: Any) -> Any:
    """Return content with its lists of pairs as the mappings they stand for, where they are not empty."""
    if isinstance(value, dict):
        return {key: _readable(value[key]) for key in value}
    if isinstance(value, list):
        if value and all(
            isinstance(each, list) and len(each) == 2 and isinstance(each[0], str) for each in value
        ):
            return _InOrder((key, _readable(item)) for key, item in value)
        return [_readable(item) for item in value]
    return value


def _place(path: Path) -> str:
    """Return a path of the content as its author would say it: the file's name, then the place in it."""
    if path[:1] == ("pipelines",) and len(path) > 1:
        head, rest = str(path[1]), path[2:]
    elif len(path) > 1 and path[0] in FOLDERS:
        head, rest = f"{path[0]}/{path[1]}", path[2:]
    else:
        head, rest = "playbook", path[1:]
    return f"{head}: {path_in_words(rest)}" if rest else head


def _said(value: Any) -> str:
    return "" if isinstance(value, dict | list) else f" ({_short(value)})"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return f"'{shown(value)}'"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return shown(json.dumps(value, ensure_ascii=False)) if isinstance(value, dict | list) else shown(value)
