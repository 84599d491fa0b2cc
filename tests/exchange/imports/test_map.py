"""Maps: read with every mistake told, and held against the playbook and the files."""

from __future__ import annotations

import pytest

from lifecycle.exchange.imports.columns import suggest, suggest_stages, targets
from lifecycle.exchange.imports.mapping import BrokenMap, map_from, read_map, unmet
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.load import find_folder, load
from tests.exchange.imports.conftest import HEADER, MAP

PLAYBOOK = compile_document(load(find_folder("wispgate")))
PIPELINE = PLAYBOOK.pipeline("growth")


def _unmet(**changes):
    return unmet(map_from({**MAP, **changes}), PLAYBOOK, PIPELINE, HEADER, None)


def test_a_fitting_map_has_nothing_unmet():
    assert _unmet() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": "nmae"}, "title: the file has no column “nmae”. Did you mean 'name'?"),
        ({"title": "{name} of {compny}"}, "no column “compny”"),
        ({"fields": {"urgncy": "name"}}, "has no card field “urgncy”. Did you mean 'urgency'?"),
        ({"fields": {"dry_runs": "name"}}, "Dry runs is a table, which no cell of a file can hold"),
        ({"fields": {"country": "name"}}, "country is a field of the account"),
        ({"stage": {"column": "stage", "values": {"Won": "closed"}}}, "no stage “closed”"),
        ({"stage": {"column": "stage"}}, "say which stage each word"),
        (
            {"stage": {"column": "stage", "always": "sourced", "values": {"a": "engaged"}}},
            "give either the column",
        ),
        ({"entered": {"engaged": "when"}}, "entered.engaged: the file has no column “when”"),
        ({"pipeline": "wispgate.delivery"}, "The map is for the board wispgate.delivery"),
        ({"account": {"column": "company", "file": "accounts.csv", "key": "name"}}, "give it too"),
        ({"contact": {}}, "contact: name the column"),
    ],
)
def test_what_a_map_asks_for_must_be_there(changes, said):
    assert said in " ".join(_unmet(**changes))


def test_every_mistake_of_a_map_file_is_told_with_its_line():
    text = (
        "title: name\nexternal_id: id\nacount: {column: company}\nstage: {column: stage}\ndates: day-first\n"
    )
    with pytest.raises(BrokenMap) as refusal:
        read_map("deals.yaml", text)
    said = " ".join(refusal.value.errors)
    assert "deals.yaml:3" in said
    assert "did you mean 'account'?" in said
    assert "'account' is missing" in said


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "title: [", "a: &x {b: *x}", "!!python/object:os.system {}", "\0"]
)
def test_a_hostile_map_is_refused_in_a_sentence(text):
    with pytest.raises(BrokenMap) as refusal:
        read_map("m.yaml", text)
    assert refusal.value.errors


def test_currency_and_zone_must_exist():
    with pytest.raises(BrokenMap, match="three letters"):
        map_from({**MAP, "value": {"column": "amount", "currency": "EURO"}})
    with pytest.raises(BrokenMap, match="no such time zone"):
        map_from({**MAP, "time_zone": "Mars/Base"})


def test_columns_are_offered_a_target_by_their_names():
    header = (
        "Deal ID",
        "Deal name",
        "Company",
        "Deal stage",
        "Close date",
        "Amount",
        "Owner",
        "Colour",
        "Pain",
    )
    assert suggest(header, targets(PLAYBOOK, PIPELINE)) == {
        "Deal ID": "external_id",
        "Deal name": "title",
        "Company": "account",
        "Deal stage": "stage",
        "Close date": "entered:closed",
        "Amount": "value",
        "Owner": "owner",
        "Pain": "field:pain",
    }


def test_stage_words_are_offered_a_stage_where_that_is_plain():
    assert suggest_stages(["Engaging", "Won", "Lost", "Negotiation", "Zzz"], PIPELINE) == {
        "Engaging": "engaged",
        "Won": "closed_won",
        "Lost": "closed_lost",
        "Negotiation": "negotiation",
    }
