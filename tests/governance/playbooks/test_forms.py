"""E19: forms as playbooks write them: pages, conditions, tables and scores, and what cannot be published."""

from __future__ import annotations

import pytest

from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.load import load
from tests.factories.forms import FORM, form_files


def test_a_form_is_compiled_with_its_pages_conditions_and_scores() -> None:
    form = compile_document(load(form_files())).client_requests["survey"]
    assert [page.key for page in form.pages] == ["you", "trade", "wireless"]
    assert [question.key for question in form.asks][:3] == ["company", "office", "price"]
    plans = next(question for question in form.asks if question.key == "plans")
    assert [column.type for column in plans.columns] == ["text", "money", "choice", "choices"]
    assert plans.most_rows == 3
    assert form.page_of["plans"] == "trade"
    # A question named like a field of the card takes its type, and saves to it.
    price = next(question for question in form.asks if question.key == "price")
    assert (price.type, price.saves) == ("money", "price")
    assert [score.key for score in form.scores] == ["size"]


@pytest.mark.parametrize(
    ("written", "instead", "sentence"),
    [
        ("company: { type: text", "kinds: { type: text", "'kinds' is asked twice"),
        ("answers.kinds", "answers.towers", "towers"),
        ("answers.kinds", "evidence.photo.count > 0 && answers.kinds", "evidence"),
        ("type: table", "type: text", "only a table has columns"),
        ("type: integer, minimum: 1", "type: yes_no, minimum: 1", "no minimum or maximum"),
        ("valid_says: We need the permit.", 'valid_says: ""', "'valid_when' and 'valid_says' stand together"),
        ("valid_when: answers.permitted", "valid_when: answers.hindrance", "hindrance"),
        ("prefill: account.name", "prefill: account.nmae", "'account.nmae' cannot be filled in"),
        ("saves: pieces", "saves: price", "'price' is not an integer field of the card"),
        ("medium: 2", "medium: 9", "high begins above medium"),
        ("answer: submit", "answer: accept", "a form with pages is submitted"),
        ("name: { type: text }", "name: { type: table }", "a column cannot be of type table"),
    ],
)
def test_what_makes_no_sense_cannot_be_published(written: str, instead: str, sentence: str) -> None:
    assert written in FORM
    with pytest.raises(BrokenPlaybook) as broken:
        compile_document(load(form_files(FORM.replace(written, instead, 1))))
    assert sentence in str(broken.value)
    assert "survey.yaml:" in str(broken.value)


def test_a_gate_asks_nobody_to_fill_in_a_score() -> None:
    stages = "first: { leave: [ { field: pieces } ] }\nlast: {}"
    with pytest.raises(BrokenPlaybook, match="'pieces' is not a field that can be written"):
        compile_document(load(form_files(stages=stages)))


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "rules.yaml",
            "rules:\n  r: { on: request.submitted, do: [ { set_field: { field: pieces, value: 9 } } ] }\n",
            "'pieces' is not a field that can be written",
        ),
        (
            "client_requests/other.yaml",
            "name: Other\nanswer: submit\nasks: { pieces: {} }\nmessage: asked\n",
            "'pieces' is a score, and nobody writes it",
        ),
    ],
)
def test_nothing_in_a_playbook_writes_a_score(file: str, text: str, sentence: str) -> None:
    with pytest.raises(BrokenPlaybook) as broken:
        compile_document(load({**form_files(), file: text}))
    assert sentence in str(broken.value)
