"""The author's guide says only what is so: its example compiles, and no word of the language is left out."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.language.document import (
    ClientRequestDocument,
    RuleDocument,
    StageDefaults,
    StageDocument,
)
from lifecycle.governance.language.model import EdgeKind, SimpleType
from lifecycle.governance.playbooks.doctor import examine
from lifecycle.governance.rules.actions import action_kinds
from lifecycle.governance.rules.triggers import EVENT_WORDS
from lifecycle.records.accounts.rights import CONTACT_RIGHTS
from tests.governance.playbooks.writing import compiled, mistakes

GUIDE = (Path(__file__).resolve().parents[3] / "docs/playbooks.md").read_text()
EXAMPLE: dict[str, str] = dict(re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", GUIDE, flags=re.DOTALL))


def test_the_example_can_be_published_and_lacks_nothing():
    assert {"playbook.yaml", "orders.yaml", "rules.yaml", "client_requests/recipe.yaml"} < set(EXAMPLE)
    assert mistakes(EXAMPLE) == []
    assert examine(compiled(EXAMPLE), date(2026, 11, 22)) == ()


@pytest.mark.parametrize(
    "word",
    [
        *check_types(),
        *get_args(SimpleType),
        "table",
        *get_args(EdgeKind),
        *StageDocument.model_fields,
        *StageDefaults.model_fields,
        *ClientRequestDocument.model_fields,
        *RuleDocument.model_fields,
        *action_kinds(),
        *EVENT_WORDS,
        *CONTACT_RIGHTS,
    ],
)
def test_every_word_is_explained(word):
    assert f"`{word}" in GUIDE or f"\n{word}:" in GUIDE or f" {word}:" in GUIDE, (
        f"docs/playbooks.md does not explain '{word}'"
    )
