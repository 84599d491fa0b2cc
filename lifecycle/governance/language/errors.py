"""What is wrong with a playbook, said to its author: where, what, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from lifecycle.core.errors import Invalid

Path = tuple[str | int, ...]
"""A way into the written form: keys and list positions, the document first."""

_SHOWN_LENGTH = 60
_SHOWN_CHOICES = 8


@dataclass(frozen=True, order=True)
class PlaybookError:
    """One mistake. Lines and columns count from 1; they are None when only the stored form is known."""

    file: str
    line: int | None
    column: int | None
    path: str
    sentence: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return it as one line, as compilers do, so that an editor can jump to it."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        where = f"{place}: {self.path}" if self.path else place
        return f"{where}: {self.sentence}" + (f"; {self.remedy}" if self.remedy else "")


class BrokenPlaybook(Invalid):
    """A playbook that cannot be used; `errors` says everything that was found, in the files' order."""

    def __init__(self, errors: Iterable[PlaybookError]) -> None:
        self.errors = tuple(sorted(set(errors), key=_in_order))
        count = "1 mistake" if len(self.errors) == 1 else f"{len(self.errors)} mistakes"
        super().__init__("\n".join([f"The playbook has {count}:", *map(str, self.errors)]))


def _in_order(error: PlaybookError) -> tuple[str, int, int, str, str]:
    return error.file, error.line or 0, error.column or 0, error.path, error.sentence


def path_in_words(path: Path) -> str:
    """Return a path as people write it: `stages.engaged.leave[0].field`."""
    words = ""
    for part in path:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            words += f".{shown(part)}" if words else shown(part)
    return words


def shown(word: object) -> str:
    """Return what was written, on one line and short enough for a sentence."""
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in str(word)[:1000]).split())
    return line if len(line) <= _SHOWN_LENGTH else f"{line[:_SHOWN_LENGTH]}…"


def nearest(word: object, known: Iterable[str]) -> str:
    """Return the remedy for a name that is not known: the nearest one, or what there is."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(str(word)[:100].lower(), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return ""
    if len(names) <= _SHOWN_CHOICES:
        return f"known: {', '.join(names)}"
    return f"known: {', '.join(names[:_SHOWN_CHOICES])} and {len(names) - _SHOWN_CHOICES} more"
