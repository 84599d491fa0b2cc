"""The README and the docs name only what is there: commands, links, pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lifecycle.cli import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IDS = [str(document.relative_to(ROOT)) for document in DOCUMENTS]
_COMMAND = re.compile(r"(?:^|[`\s/])lifecycle ((?:[a-z-]+)(?: [a-z-]+)?)")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_link_and_picture_leads_somewhere(document: Path) -> None:
    missing = [link for link in _LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_lifecycle_command_named_in_code_exists(document: Path) -> None:
    code = re.findall(r"`([^`\n]+)`|```\w*\n(.*?)```", document.read_text(), re.DOTALL)
    named = {match for pair in code for part in pair for match in _COMMAND.findall(part)}
    assert [words for words in named if not _exists(words.split())] == []


def _exists(words: list[str]) -> bool:
    command = cli.commands.get(words[0])
    if not isinstance(command, click.Group) or len(words) == 1:
        return command is not None
    return words[1] in command.commands


def test_every_dev_command_of_the_readme_is_one_that_dev_offers() -> None:
    offered = subprocess.run(
        [sys.executable, str(ROOT / "dev"), "help"], capture_output=True, text=True, check=True
    ).stdout
    named = set(re.findall(r"\./dev ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named >= {"up", "test", "lint"}
    assert {name for name in named if f"./dev {name}" not in offered} == set()
