"""W15, E19: tables as playbooks write them, in fields and in forms, and what cannot be published."""

from __future__ import annotations

from decimal import Decimal

import pytest
from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.language.model import PlaybookDef
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.load import load
from lifecycle.governance.playbooks.migration import migrate_cards
from lifecycle.governance.playbooks.publish import publish
from lifecycle.records.people.actor import SYSTEM
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, card_row
from tests.factories.clients import ASKED
from tests.factories.people import make_user
from tests.factories.playbooks import LAB
from tests.factories.tables import FAILED, PASSED, RUNS, STAGES, publish_tables, table_files

FORM = """\
name: Your runs
answer: submit
pages:
  runs: { asks: { runs: { required: no } } }
message: asked
"""


def _compiled(stages: str = STAGES, fields: str = RUNS, form: str = "") -> PlaybookDef:
    files = {"client_requests/runs.yaml": form, "messages/asked.yaml": ASKED} if form else {}
    return compile_document(load(table_files(stages, fields, files)))


def test_a_field_may_be_a_table_of_simple_columns() -> None:
    runs = _compiled().fields["runs"]
    assert (runs.type, runs.most_rows) == ("table", 6)
    assert [column.type for column in runs.columns] == [
        "date",
        "integer",
        "money",
        "choice",
        "yes_no",
        "text",
    ]
    assert runs.columns[1].maximum == Decimal(5000)
    assert [column.required for column in runs.columns] == [True, True, False, True, False, False]


@pytest.mark.parametrize(
    ("written", "instead", "sentence"),
    [
        ("type: table", "type: text", "only a table has columns"),
        ("type: table", "type: table\n    of: account", "a table belongs to the card"),
        ("type: table", "type: table\n    minimum: 1", "a field of type table has no minimum"),
        ("type: table", "type: table\n    pattern: x", "a field of type table has no pattern"),
        ("type: table", "type: table\n    options: [a]", "a table has nothing to choose from"),
        ("day: { type: date }", "day: { type: table }", "a column cannot be of type table"),
        ("day: { type: date }", "day: { type: file }", "a column cannot be of type file"),
        ("day: { type: date }", "day: { type: date, minimum: 1 }", "no minimum or maximum"),
        ("minimum: 0, maximum: 5000", "minimum: 9, maximum: 5", "the maximum 5 is below the minimum 9"),
        ("day: { type: date }", "day: { type: dated }", "'dated' is neither a type"),
    ],
)
def test_a_table_that_makes_no_sense_cannot_be_published(written: str, instead: str, sentence: str) -> None:
    assert written in RUNS
    with pytest.raises(BrokenPlaybook) as broken:
        _compiled(fields=RUNS.replace(written, instead, 1))
    assert sentence in str(broken.value)
    assert "playbook.yaml:" in str(broken.value)


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        ("first: {}\nsecond: { asks: { runs: {} } }", "'runs' is a table, and only a form asks for one"),
        (
            "first: { leave: [ { field: { name: runs, one_of: [passed] } } ] }\nsecond: {}",
            "takes a single value",
        ),
        (
            "first: { on_enter: [ { set_field: { field: runs, value: today } } ] }\nsecond: {}",
            "takes a single value",
        ),
        (STAGES.replace(".result", ".outcome"), "'card.runs[].outcome' is not declared"),
        (STAGES.replace("== 'passed'", "== 5"), "cannot be compared"),
    ],
)
def test_a_table_is_not_asked_where_a_single_value_is(stages: str, sentence: str) -> None:
    with pytest.raises(BrokenPlaybook) as broken:
        _compiled(stages)
    assert sentence in str(broken.value)


@pytest.mark.parametrize(
    "condition",
    [
        "size(card.runs) > 1",
        "card.runs.exists(run, run.result == 'failed')",
        "card.runs.all(run, run.loaded >= 100 && run.day <= today)",
        "size(card.runs.filter(run, run.signed == true)) == size(card.runs)",
        "has(card.runs) && card.runs[0].cost > 1.5",
    ],
)
def test_conditions_may_ask_about_rows(condition: str) -> None:
    stages = f'first: {{ leave: [ {{ field: wish, when: "{condition}" }} ] }}\nsecond: {{}}'
    assert _compiled(stages).pipelines[0].stage("first").leave[0].when is not None


SAME_COLUMNS = """ours: { type: table, saves: runs, columns: {
    day: { type: date }, loaded: { type: integer }, cost: { type: money },
    result: { options: [failed, passed] }, signed: { type: yes_no }, note: { type: text } } }"""


@pytest.mark.parametrize(
    "asked", ["runs: { required: no }", "ours: { type: table, saves: runs }", SAME_COLUMNS]
)
def test_a_forms_table_may_be_kept_in_that_of_a_card(asked: str) -> None:
    form = FORM.replace("runs: { required: no }", asked)
    question = _compiled(form=form).client_requests["runs"].asks[0]
    assert (question.type, question.saves, question.most_rows) == ("table", "runs", 6)
    assert len(question.columns) == 6


def test_a_forms_column_may_take_type_and_options_of_a_field_and_saves_to_none() -> None:
    asked = "ours: { type: table, columns: { tint: { type: colour }, wish: {} } }"
    form = FORM.replace("runs: { required: no }", asked)
    tint, wish = _compiled(form=form).client_requests["runs"].asks[0].columns
    assert (tint.type, [option.key for option in tint.options], tint.saves) == (
        "choice",
        ["red", "blue"],
        None,
    )
    assert (wish.type, wish.saves) == ("text", None)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("ours: { type: table, saves: wish, columns: { day: date } }", "'wish' is not a field of type table"),
        ("ours: { type: table, saves: runs, columns: { day: { type: date } } }", "other columns than this"),
        ("ours: { type: table, columns: { share: { type: yes_no, maximum: 3 } } }", "no minimum or maximum"),
        ("ours: { type: table, columns: { run: { type: runs } } }", "a column cannot be of type runs"),
        ("ours: { type: text, prefill: card.runs }", "'card.runs' cannot be filled in"),
    ],
)
def test_a_forms_table_that_does_not_fit_cannot_be_published(asked: str, sentence: str) -> None:
    with pytest.raises(BrokenPlaybook) as broken:
        _compiled(form=FORM.replace("runs: { required: no }", asked))
    assert sentence in str(broken.value)


def test_a_request_without_pages_asks_for_no_table() -> None:
    with pytest.raises(BrokenPlaybook, match="only a form asks for one"):
        _compiled(form="name: Runs\nanswer: submit\nasks: { runs: {} }\nmessage: asked\n")


def test_a_card_with_cells_of_a_column_that_is_gone_stays_until_they_are_emptied(app: Flask) -> None:
    """E4: cards change revisions without losing what they hold."""
    publish_tables(app)
    ana = make_user(app, role="admin")
    noted = a_card(app, ana, fields={"runs": [FAILED]})
    plain = a_card(app, ana, fields={"runs": [PASSED]})
    older = a_card(app, ana, fields={"runs": [PASSED], "wish": "Blue", "agreed": True})
    fewer = RUNS.replace(
        "      note: { type: text, required: no, maximum: 40 }\n", "      who: { type: text }\n"
    )
    files = table_files(fields=fewer)
    for line in ("  wish: long_text\n", "  agreed: yes_no\n"):
        files["playbook.yaml"] = files["playbook.yaml"].replace(line, "")
    with app.app_context(), transaction():
        publish(files, SYSTEM)
    with app.app_context():
        done = migrate_cards(LAB, actor=ana.actor, channel="page")
    assert (done.migrated, done.staying) == (2, 1)
    assert card_row(app, plain)["revision_id"] > card_row(app, noted)["revision_id"]
    # What no field is there for any more is kept, and shown.
    assert card_row(app, older)["fields"] == {"runs": [PASSED], "wish": "Blue", "agreed": True}
    page = Caller(app, ana).get(older.url).text
    left = page[page.index("Kept from an earlier revision") :]
    assert '<dt>Wish</dt><dd class="pre">Blue</dd>' in left
    assert '<dt>Agreed</dt><dd class="pre">Yes</dd>' in left
    assert "Kept from an earlier revision" not in Caller(app, ana).get(plain.url).text
