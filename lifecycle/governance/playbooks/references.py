"""What a playbook declares, and the search for what its parts name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from lifecycle.core.durations import Duration, parse_duration
from lifecycle.core.expressions import Declared, Expression, ExpressionError, compile_expression
from lifecycle.governance.language.document import KEY
from lifecycle.governance.language.errors import Path, PlaybookError, nearest, shown
from lifecycle.governance.language.names import EVENT_NAMES
from lifecycle.governance.playbooks.load import Places

GENERAL_ROLES: Final = ("admin", "manager", "member", "viewer")

KINDS: Final[dict[str, str]] = {
    "calendar": "a calendar",
    "checklist": "a checklist",
    "checklist_item": "an item of that checklist",
    "client_request": "a request to the client",
    "department": "a department",
    "evidence": "an evidence",
    "field": "a field",
    "lane": "a lane",
    "legal_document": "a legal document",
    "list": "a list",
    "meeting": "a meeting",
    "message": "a message",
    "outcome": "an outcome of that evidence",
    "phase": "a phase",
    "pipeline": "a pipeline",
    "questionnaire": "a request to the client with pages",
    "form_page": "a page of that form",
    "role": "a role that somebody can hold",
    "stage": "a stage of this pipeline",
    "task": "a task of this pipeline",
    "single_field": "a field that can be written and takes a single value",
    "writable_field": "a field that can be written",
}

Found = TypeVar("Found")


@dataclass
class Findings:
    """The mistakes found so far, and where things stand."""

    places: Places
    errors: list[PlaybookError] = field(default_factory=list)

    def note(self, path: Path, sentence: str, remedy: str = "", *, key: bool = False) -> None:
        """Note a mistake at `path`."""
        self.errors.append(self.places.error(path, sentence, remedy, key=key))

    def attempt(self, path: Path, act: Callable[[], Found]) -> Found | None:
        """Return what `act` gives, or None with its ValueError noted."""
        try:
            return act()
        except ValueError as error:
            self.note(path, str(error))
            return None

    def duration(self, path: Path, words: str | None) -> Duration | None:
        """Return the length of time that the words say, or None with a note."""
        return None if words is None else self.attempt(path, lambda: parse_duration(words))

    def keys(self, path: Path, names: Iterable[str]) -> None:
        """Note every name that cannot be a key; what is read from a file is checked before."""
        for name in names:
            if not KEY.fullmatch(name):
                self.note((*path, name), f"'{shown(name)}' cannot be a key")


@dataclass
class Names:
    """What there is, by kind; and what expressions may say."""

    findings: Findings
    known: dict[str, list[str]] = field(default_factory=dict)
    declared: Mapping[str, Declared] = field(default_factory=dict)

    def within(self, more: Mapping[str, Iterable[str]]) -> Names:
        """Return the same with the names that only one pipeline has."""
        return Names(
            self.findings, {**self.known, **{kind: list(keys) for kind, keys in more.items()}}, self.declared
        )

    def with_event(self) -> Names:
        """Return the same for conditions of rules, which may speak of the event that set them off."""
        return Names(self.findings, self.known, {**self.declared, "event": EVENT_NAMES})

    def with_answers(self, asked: Mapping[str, Declared]) -> Names:
        """Return the same for conditions of a form: what was asked before, the card, its account, and now."""
        declared = {
            name: each for name, each in self.declared.items() if name not in ("evidence", "requests")
        }
        return Names(self.findings, self.known, {**declared, "answers": dict(asked)})

    def expect(self, kind: str, name: str | None, path: Path) -> bool:
        """Say whether there is such a thing; note it if not. None, nothing named, is as good as there."""
        known = self.known.get(kind, [])
        if name is None or name in known:
            return True
        owner, dot, last = name.rpartition(".")
        if dot and kind in {"checklist_item", "outcome", "form_page"}:
            siblings = [key.removeprefix(f"{owner}.") for key in known if key.startswith(f"{owner}.")]
            if siblings:
                self.findings.note(path, f"'{shown(last)}' is not {KINDS[kind]}", nearest(last, siblings))
            return False
        remedy = nearest(name, known) or f"there is none; declare '{shown(name)}'"
        self.findings.note(path, f"'{shown(name)}' is not {KINDS.get(kind, f'a known {kind}')}", remedy)
        return False

    def expression(self, text: str | None, path: Path) -> Expression | None:
        """Return the checked expression, or None with a note."""
        if text is None:
            return None
        try:
            return compile_expression(text, self.declared)
        except ExpressionError as error:
            self.findings.note(path, str(error))
        except (ValueError, RecursionError):
            self.findings.note(path, "the expression cannot be checked until the fields are right")
        return None


def roles_of(departments: Iterable[str]) -> list[str]:
    """Return every role that people can hold: the general ones, a department's members, and its managers."""
    keys = list(departments)
    return [*GENERAL_ROLES, *keys, *(f"{key}_manager" for key in keys)]


def path_of(written: Any, name: str, path: Path) -> Path:
    """Return where in `written`, which stands at `path`, the name stands; `path` itself if nowhere."""
    last = name.rpartition(".")[2]
    if isinstance(written, list):
        entries: Iterable[tuple[str | int, Any]] = enumerate(written)
    elif isinstance(written, dict):
        entries = written.items()
    else:
        return path
    for key, value in entries:
        if key in (name, last) or value in (name, last):
            return (*path, key)
        inner = path_of(value, name, (*path, key))
        if inner != (*path, key):
            return inner
    return path
