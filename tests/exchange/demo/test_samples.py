"""What the demo's people write reads like something: no field says its own name."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from lifecycle.exchange.demo.samples import sample
from lifecycle.governance.language.model import FieldDef, Question
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.load import find_folder, library_names, load

# The account knows these, so nobody fills them in on a card.
_OF_ACCOUNTS = {"country", "segment"}


@pytest.mark.parametrize("name", library_names())
def test_every_text_of_a_playbook_has_words(name: str) -> None:
    playbook = compile_document(load(find_folder(name)))
    asked = [question for request in playbook.client_requests.values() for question in request.asks]
    everything: list[FieldDef | Question] = [*playbook.fields.values(), *asked]
    items = [each for each in everything if each.type in ("text", "long_text")]
    at = datetime(2026, 6, 1, tzinfo=UTC)
    wordless = {
        each.key for each in items if sample(name, each, at, random.Random(1)) == each.name
    } - _OF_ACCOUNTS
    assert wordless == set()


@pytest.mark.parametrize("name", library_names())
def test_every_cell_of_a_table_has_words(name: str) -> None:
    playbook = compile_document(load(find_folder(name)))
    asked = [question for request in playbook.client_requests.values() for question in request.asks]
    everything: list[FieldDef | Question] = [*playbook.fields.values(), *asked]
    at = datetime(2026, 6, 1, tzinfo=UTC)
    wordless = {
        f"{table.key}.{column.key}"
        for table in everything
        if table.type == "table"
        for row in sample(name, table, at, random.Random(1))
        for column in table.columns
        if row.get(column.key) == column.name
    }
    assert wordless == set()
