"""The author's guide says only what is so: its example compiles, and no word of the language is left out."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.language.document import StageDefaults, StageDocument
from lifecycle.governance.language.model import EdgeKind, FieldType
from lifecycle.governance.playbooks.doctor import examine
from tests.governance.playbooks.writing import compiled, mistakes

GUIDE = (Path(__file__).resolve().parents[3] / "docs/playbooks.md").read_text()
EXAMPLE: dict[str, str] = dict(re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", GUIDE, flags=re.DOTALL))


def test_the_example_can_be_published_and_lacks_nothing():
    assert set(EXAMPLE) == {"playbook.yaml", "orders.yaml", "messages/thanks.yaml"}
    assert mistakes(EXAMPLE) == []
    assert examine(compiled(EXAMPLE), date(2026, 11, 22)) == ()


@pytest.mark.parametrize(
    "word",
    [
        *check_types(),
        *get_args(FieldType),
        *get_args(EdgeKind),
        *StageDocument.model_fields,
        *StageDefaults.model_fields,
    ],
)
def test_every_word_is_explained(word):
    assert f"`{word}" in GUIDE, f"docs/playbooks.md does not explain '{word}'"
