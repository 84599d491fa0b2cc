"""E1: a revision is the canonical form of the folder: the same said otherwise is the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.governance.language.reading import read_text
from lifecycle.governance.playbooks.compile import compile_document, compile_playbook
from lifecycle.governance.playbooks.load import LIBRARY, canonical, canonical_text, digest, load
from tests.governance.playbooks.writing import ORDERS, PLAYBOOK, files, spoiled

# Mappings whose order says something: the order of columns, of a form, of an agenda.
ORDERED = frozenset(
    (
        *("lanes", "phases", "departments", "roles", "lists", "fields", "checklists", "evidence", "meetings"),
        *("options", "items", "agenda", "stages", "asks", "tasks", "reasons", "dough", "outcomes"),
    )
)


def _digest(texts: dict[str, str]) -> str:
    return digest(canonical(load(texts).content))


def _shuffled(value: Any, key: str, draw: Any) -> Any:
    """Return the same data with the keys of every mapping whose order is of no account in another order."""
    if isinstance(value, list):
        return [_shuffled(item, "", draw) for item in value]
    if not isinstance(value, dict):
        return value
    keys = list(value) if key in ORDERED else draw(st.permutations(list(value)))
    return {each: _shuffled(value[each], each, draw) for each in keys}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_keys_is_of_no_account(data):
    texts = files()
    for name, text in (("playbook.yaml", PLAYBOOK), ("orders.yaml", ORDERS)):
        # JSON is YAML too, so what is shuffled can be read again.
        texts[name] = json.dumps(_shuffled(read_text(name, text).data, "", data.draw))
    assert _digest(texts) == _digest(files())


@pytest.mark.parametrize(
    ("file", "short", "long"),
    [
        ("orders", "notify: shop", "notify: [{ departments: [shop] }]"),
        ("orders", "next_action: Call back", "next_action: { do: Call back }"),
        ("orders", "- evidence: call", "- evidence: call\n        severity: block\n        waive: nobody"),
        ("orders", "{ weigh: Weigh the flour }", "{ weigh: { title: Weigh the flour, assignee: owner } }"),
        ("orders", "from: every open stage", "from: [every open stage]"),
        ("playbook", "wish: long_text", "wish: { type: long_text, of: card, help: '' }"),
        ("playbook", "departments: [shop, oven]", "departments: { shop: , oven: }"),
        ("playbook", "picture: [file, link]", "picture: { accepts: [file, link] }"),
        ("playbook", "review_on: 2027-01-31", "# a comment\nreview_on: '2027-01-31'"),
        ("playbook", "dough: { rested: The dough has rested, weighed: It is weighed }",
         "dough: { items: { rested: The dough has rested, weighed: It is weighed } }"),
    ],
)  # fmt: skip
def test_the_short_form_and_the_long_one_are_the_same_content(file, short, long):
    assert _digest(spoiled(file, short, long)) == _digest(files())


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("orders", "4 business hours", "5 business hours"),
        ("playbook", "[shop, oven]", "[oven, shop]"),
        ("playbook", "{ options: [rye, wheat] }", "{ options: [wheat, rye] }"),
        ("playbook", "{ Breads: 20, Order: 10 }", "{ Order: 10, Breads: 20 }"),
        ("thanks", "Dear", "Hello"),
    ],
)
def test_what_says_something_else_is_other_content(file, old, new):
    assert _digest(spoiled(file, old, new)) != _digest(files())


@pytest.mark.parametrize("origin", [files(), LIBRARY / "wispgate"], ids=["bakery", "wispgate"])
def test_a_revision_compiles_from_its_stored_content_alone(origin):
    loaded = load(origin)
    stored = json.loads(canonical_text(canonical(loaded.content)))
    assert compile_playbook(stored) == compile_document(loaded)
    assert digest(stored) == digest(canonical(loaded.content))


def test_the_order_of_stages_survives_a_store_that_sorts_keys():
    stored = json.loads(canonical_text(canonical(load(files()).content)))
    assert [stage.key for stage in compile_playbook(stored).pipeline("orders").stages] == [
        "asked",
        "baking",
        "sold",
        "lost",
    ]
