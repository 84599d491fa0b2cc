"""Habits of the code that a reader relies on: checked over its text and its imports."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from tests.installation import ROOT

SOURCES = sorted([*(ROOT / "lifecycle").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])
VAGUE = {"utils.py", "helpers.py", "services.py", "common.py", "misc.py"}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _inner_imports(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom))


def test_nothing_is_imported_inside_a_function_but_what_is_heavy_for_a_reason() -> None:
    found = {}
    for path in SOURCES:
        lines = path.read_text().splitlines()
        for node in _inner_imports(_tree(path)):
            around = " ".join(lines[max(0, node.lineno - 4) : node.lineno])
            if "#" not in around:
                found[f"{_name(path)}:{node.lineno}"] = ast.unparse(node)
    assert found == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [_name(path) for path in SOURCES if path.name in VAGUE] == []


def test_blueprints_do_not_import_each_other() -> None:
    crossing = []
    for path in (ROOT / "lifecycle" / "blueprints").rglob("*.py"):
        room = path.relative_to(ROOT / "lifecycle" / "blueprints").parts[0]
        if room == "__init__.py":
            continue
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lifecycle.blueprints."):
                other = (node.module or "").split(".")[2]
                if other != room:
                    crossing.append(f"{_name(path)}:{node.lineno} imports {other}")
    assert crossing == []


def test_only_moves_write_a_cards_stage_and_visit() -> None:
    """R1: one way to move; an assignment anywhere else would be a second one."""
    allowed = "lifecycle/governance/moves/"
    writers = []
    for path in SOURCES:
        if _name(path).startswith(allowed):
            continue
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                written = [ast.unparse(each) for target in targets for each in ast.walk(target)]
                if any(name.endswith(("card.stage_id", "card.visit_id")) for name in written):
                    writers.append(f"{_name(path)}:{node.lineno}")
    assert writers == []


def test_what_is_queued_by_name_exists() -> None:
    names: dict[str, str] = {}
    for path in SOURCES:
        for node in ast.walk(_tree(path)):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.startswith("jobs.")
            ):
                parts = node.value.split(".")
                if len(parts) == 3 and all(part.isidentifier() for part in parts):
                    names[node.value] = f"{_name(path)}:{node.lineno}"
    assert names, "nothing is queued by name any more?"
    for name, place in names.items():
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function, None)), f"{place} queues {name}"


def test_only_the_configuration_reads_the_environment() -> None:
    allowed = ("lifecycle/config.py", "lifecycle/runtime/", "lifecycle/cli.py", "lifecycle/commands/")
    readers = [
        f"{_name(path)}:{node.lineno}"
        for path in SOURCES
        if not _name(path).startswith(allowed)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and ast.unparse(node.value) == "os"
    ]
    assert readers == []


def test_domain_code_knows_no_request() -> None:
    storeys = ("core", "records", "work", "governance", "insight", "exchange")
    asking = []
    for path in SOURCES:
        parts = path.relative_to(ROOT).parts
        if parts[0] != "lifecycle" or parts[1] not in storeys:
            continue
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module in ("flask", "flask_login"):
                names = {alias.name for alias in node.names} & {"request", "session", "g", "current_user"}
                asking += [f"{_name(path)}:{node.lineno} {name}" for name in names]
    assert asking == []
