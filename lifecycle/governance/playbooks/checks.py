"""Compile the checks of a gate: find the type, read what it needs, and look up everything it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, get_args

from pydantic import BaseModel, ValidationError

from lifecycle.governance.gates.checks.base import CheckType, Params
from lifecycle.governance.language.document import CheckDocument
from lifecycle.governance.language.errors import Path, nearest, shown
from lifecycle.governance.language.model import CheckDef, Side
from lifecycle.governance.language.shape import misfits
from lifecycle.governance.playbooks.references import Names, path_of

CheckTypes: TypeAlias = Mapping[str, CheckType[Any, Any]]

COMMON_KEYS: Final = ("severity", "waive", "when", "says")
NOBODY: Final = "nobody"


@dataclass(frozen=True)
class CheckCompiler:
    """Compiles the gates of one pipeline."""

    types: CheckTypes
    names: Names

    def compiled(
        self, written: Sequence[CheckDocument], stage: str, side: Side, path: Path
    ) -> tuple[CheckDef, ...]:
        """Return the checks in order; one line may stand for several. Mistakes are noted."""
        found: list[CheckDef] = []
        for position, check in enumerate(written):
            found += self._one(check, stage, side, (*path, position))
        return tuple(_with_unique_keys(found))

    def _one(self, written: CheckDocument, stage: str, side: Side, path: Path) -> list[CheckDef]:
        names = self.names
        keyword = _keyword(written, self.types, names, path)
        when = names.expression(written.when, (*path, "when"))
        waive = None if written.waive == NOBODY else written.waive
        names.expect("role", waive, (*path, "waive"))
        if keyword is None:
            return []
        check_type = self.types[keyword]
        wanted = written.written[keyword]
        params = _params(check_type, wanted, names, (*path, keyword))
        for each in params:
            _look_up(check_type, each, wanted, names, (*path, keyword))
        return [
            CheckDef(
                key=f"{stage}.{side}.{keyword}.{check_type.name(each)}",
                type=keyword,
                stage=stage,
                side=side,
                params=each,
                severity=written.severity,
                waive=waive,
                when=when,
                says=written.says,
            )
            for each in params
        ]


def _keyword(written: CheckDocument, types: CheckTypes, names: Names, path: Path) -> str | None:
    """Return the one check keyword that is written, or None with a note."""
    keywords = [key for key in written.written if key in types]
    unknown = [key for key in written.written if key not in types]
    for key in unknown:
        remedy = nearest(key, [*types, *COMMON_KEYS])
        names.findings.note((*path, key), f"'{shown(key)}' is not a kind of check", remedy, key=True)
    if len(keywords) > 1:
        both = " and ".join(f"'{key}'" for key in keywords[:2])
        names.findings.note(path, f"{both} are two checks", "begin each check with its own '- '")
    elif not keywords and not unknown:
        names.findings.note(path, "this says nothing to check", f"begin with one of {', '.join(types)}")
    return keywords[0] if len(keywords) == 1 else None


def _params(check_type: CheckType[Any, Any], wanted: Any, names: Names, path: Path) -> list[Params]:
    try:
        params: list[Params] = check_type.read(wanted)
    except ValidationError as error:
        for inner, sentence, remedy, is_key in misfits(params_model(check_type), error):
            names.findings.note((*path, *inner), sentence, remedy, key=is_key)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # A check type that trips over odd input must not show its author a trace.
        sentence = (
            str(error) if type(error) is ValueError else f"'{check_type.keyword}' cannot be written like this"
        )
        names.findings.note(path, sentence)
    else:
        return params
    return []


def params_model(check_type: CheckType[Any, Any]) -> type[BaseModel]:
    """Return the model of a check type's parameters."""
    for base in getattr(type(check_type), "__orig_bases__", ()):
        for argument in get_args(base):
            if isinstance(argument, type) and issubclass(argument, Params):
                return argument
    return Params


def _look_up(check_type: CheckType[Any, Any], params: Params, wanted: Any, names: Names, path: Path) -> None:
    unknown: set[str] = set()
    for reference in check_type.references(params):
        if reference.name in unknown:
            continue  # It was said once that there is no such thing.
        place = path_of(wanted, reference.name, path)
        if reference.kind == "expression":
            names.expression(reference.name, place)
            continue
        is_known = names.expect(reference.kind, reference.name, place)
        if not is_known:
            unknown.add(reference.name)
        # What a gate asks to be filled in must be something that people can fill in.
        if is_known and reference.kind == "field" and check_type.keyword != "approval":
            names.expect("writable_field", reference.name, place)


def _with_unique_keys(checks: Sequence[CheckDef]) -> list[CheckDef]:
    """Number the second and later check of the same name: `….field.price`, `….field.price.2`."""
    seen: dict[str, int] = {}
    found: list[CheckDef] = []
    for check in checks:
        seen[check.key] = seen.get(check.key, 0) + 1
        number = seen[check.key]
        key = check.key if number == 1 else f"{check.key}.{number}"
        found.append(replace(check, key=key))
    return found
