"""E1: an error names file, line, path and what would be right; all of them at once; never a trace."""

from __future__ import annotations

import random

import pytest

from lifecycle.governance.language.errors import BrokenPlaybook, nearest, path_in_words, shown
from lifecycle.governance.playbooks.load import LIBRARY, find_folder, load
from tests.governance.playbooks.writing import ORDERS, files, mistakes, spoiled

MISSPELLED = [
    (
        "orders",
        "[loaf, pieces]",
        "[loaf, peices]",
        "orders.yaml:9: stages.asked.leave[0].field[1]: 'peices' is not a field; did you mean 'pieces'?",
    ),
    (
        "orders",
        "evidence: call",
        "evidence: cal",
        "orders.yaml:10: stages.asked.leave[1].evidence: 'cal' is not an evidence; did you mean 'call'?",
    ),
    (
        "orders",
        "checklist: dough",
        "checklist: {name: dough, items: [restd]}",
        (
            "orders.yaml:16: stages.baking.leave[0].checklist.items[0]: "
            "'restd' is not an item of that checklist; "
            "did you mean 'rested'?"
        ),
    ),
    (
        "orders",
        "evidence: call",
        "evidence: {name: call, outcome: replid}",
        (
            "orders.yaml:10: stages.asked.leave[1].evidence.outcome: "
            "'replid' is not an outcome of that evidence; "
            "did you mean 'replied'?"
        ),
    ),
    (
        "orders",
        "next_action: Call back",
        "next_acton: Call back",
        "orders.yaml:7: stages.asked.next_acton: 'next_acton' is not a key here; did you mean 'next_action'?",
    ),
    (
        "orders",
        "phase: order",
        "phase: oder",
        "orders.yaml:6: stages.asked.phase: 'oder' is not a phase; did you mean 'order'?",
    ),
    (
        "orders",
        "department: oven",
        "department: ovn",
        "orders.yaml:12: stages.baking.department: 'ovn' is not a department; did you mean 'oven'?",
    ),
    (
        "orders",
        "waive: shop_manager",
        "waive: shop_maneger",
        (
            "orders.yaml:18: stages.baking.leave[1].waive: "
            "'shop_maneger' is not a role that somebody can hold; "
            "did you mean 'shop_manager'?"
        ),
    ),
    (
        "orders",
        "card.pieces > 10",
        "card.peices > 10",
        "orders.yaml:17: stages.baking.leave[1].expression.holds: 'card.peices' is not declared; ",
    ),
    (
        "orders",
        "kind: close",
        "kind: clse",
        "orders.yaml:22: moves[0].kind: 'clse' is not possible here; did you mean 'close'?",
    ),
    (
        "orders",
        "to: lost",
        "to: last",
        "orders.yaml:22: moves[0].to: 'last' is not a stage of this pipeline; did you mean 'lost'?",
    ),
    (
        "orders",
        "from: baking",
        "from: bakin",
        "orders.yaml:23: moves[1].from: 'bakin' is not a stage of this pipeline; did you mean 'baking'?",
    ),
    (
        "orders",
        "owner: round robin",
        "owner: rund robin",
        "orders.yaml:3: stage_defaults.owner: 'rund robin' is not a way to find an owner; ",
    ),
    (
        "orders",
        "notify: shop",
        "notify: shp",
        "orders.yaml:3: stage_defaults.notify: 'shp' is not a department; did you mean 'shop'?",
    ),
    ("orders", "reason: why_lost", "reason: why_lots", "did you mean 'why_lost'?"),
    (
        "orders",
        "- field:",
        "- feild:",
        "orders.yaml:9: stages.asked.leave[0].feild: 'feild' is not a kind of check; did you mean 'field'?",
    ),
    (
        "playbook",
        "wish: long_text",
        "wish: long_txt",
        "playbook.yaml:16: fields.wish: 'long_txt' is neither a type nor a list; did you mean 'long_text'?",
    ),
    (
        "playbook",
        "{ order: counter }",
        "{ order: countr }",
        "playbook.yaml:7: phases.order: 'countr' is not a lane; did you mean 'counter'?",
    ),
    ("playbook", "process_owner: shop_manager", "process_owner: shop_boss", "did you mean"),
    (
        "thanks",
        "card.loaf",
        "card.loav",
        "messages/thanks.yaml:2: text: 'card.loav' is nothing a message can show; did you mean 'card.loaf'?",
    ),
]


@pytest.mark.parametrize(("file", "right", "wrong", "sentence"), MISSPELLED)
def test_a_misspelling_is_found_and_the_nearest_name_offered(file, right, wrong, sentence):
    found = mistakes(spoiled(file, right, wrong))
    assert any(sentence in line for line in found), found


WRONG = [
    (
        "orders",
        "sla: 4 business hours",
        "sla: soon",
        "stage_defaults.sla: 'soon' is not a time; write for example",
    ),
    ("orders", "sla: 4 business hours", "sla: [4]", "stage_defaults.sla: this must be text, not a list"),
    ("orders", "due: 1 day", "due: 1 dya", "stages.baking.next_action.due: '1 dya' is not a time"),
    ("orders", "kind: won,", "kind: wun,", "'wun' is not possible here; did you mean 'won'?"),
    (
        "orders",
        ORDERS[ORDERS.index("  sold:") : ORDERS.index("moves:")],
        "",
        "stages: no stage ends the work",
    ),
    ("orders", "from: baking, to: asked", "from: asked, to: baking", "is not a 'revision'"),
    ("orders", "to: lost, kind: close", "to: asked, kind: close", "leads from an open stage to a closed one"),
    ("orders", "from: baking, to: asked", "from: baking, to: baking", "from Baking to itself goes nowhere"),
    ("orders", "- evidence: call", "- evidence: call\n        field: loaf", "are two checks"),
    (
        "orders",
        "- evidence: call",
        "- severity: warning",
        "this says nothing to check; begin with one of field",
    ),
    (
        "orders",
        "- evidence: call",
        "- evidence: { nam: call }",
        "'nam' is not a key here; did you mean 'name'?",
    ),
    ("orders", "- evidence: call", "- evidence: 5", "write the evidence's name"),
    (
        "orders",
        "- evidence: call",
        "- evidence: { name: call, at_least: many }",
        "must be a whole number, not 'many'",
    ),
    ("orders", "- evidence: call", "- time: { at_least: soon }", "'soon' is not a time"),
    ("orders", "- evidence: call", "- field: []", "name at least one field"),
    ("orders", "holds: card.pieces > 10", "holds: card.pieces >", "the expression cannot be read"),
    ("orders", "holds: card.pieces > 10", "holds: card.loaf > 10", "stages.baking.leave[1].expression.holds"),
    ("orders", "holds: card.pieces > 10", "holds: card.pieces + 1", "must answer yes or no"),
    ("orders", "weigh: Weigh the flour", "all: Weigh the flour", "'all' means every task"),
    ("orders", "name: enough", "name: enough, colour: red", "'colour' is not a key here"),
    (
        "orders",
        "pipeline: orders",
        "pipeline: Orders",
        "'Orders' cannot be used: a key is made of small letters",
    ),
    (
        "orders",
        "  baking:",
        "  Baking bread:",
        "'Baking bread' cannot be used: a key is made of small letters",
    ),
    ("orders", "reason: why_lost", "reason: { saves: nothing }", "'nothing' is not a field"),
    ("playbook", "review_on: 2027-01-31", "review_on: 2027-31-01", "review_on: this must be a date"),
    (
        "playbook",
        "minimum: 1, maximum: 500",
        "minimum: 9, maximum: 5",
        "the maximum 5 is below the minimum 9",
    ),
    ("playbook", "wish: long_text", "wish: choice", "a choice needs something to choose from"),
    (
        "playbook",
        "wish: long_text",
        "wish: { type: date, options: [a] }",
        "a field of type date has no options",
    ),
    (
        "playbook",
        "wish: long_text",
        "wish: { type: date, minimum: 1 }",
        "a field of type date has no minimum",
    ),
    ("playbook", "wish: long_text", "wish: { type: text, pattern: '(' }", "this is not a pattern"),
    (
        "playbook",
        "wish: long_text",
        "wish: { type: text, pattern: '(a+)+b' }",
        "a pattern may not repeat a group",
    ),
    ("playbook", "wish: long_text", "value: money", "every card has a 'value' of its own"),
    ("playbook", "wish: long_text", "country: text", "'country' belongs to the account; add 'of: account'"),
    ("playbook", "wish: long_text", "wish: { type: [a] }", "this must be text, not a list"),
    ("playbook", "Europe/Berlin", "Europe/Berln", "calendars.weekdays.time_zone"),
    ("playbook", "08:00-16:00", "16:00-08:00", "calendars.weekdays.hours"),
    ("playbook", "  weekdays: {", "  weekend: {}\n  weekdays: {", "calendars.weekend"),
    ("playbook", "departments: [shop, oven]", "departments: []", "departments: this must not be empty"),
    ("playbook", "departments: [shop, oven]", "departments: [shop, shop]", "'shop' is in the list twice"),
    (
        "playbook",
        "dough: { rested: The dough has rested, weighed: It is weighed }",
        "dough: {}",
        "has no items",
    ),
    (
        "playbook",
        "call: { accepts: talk, outcomes: outcomes }",
        "call: { accepts: file, outcomes: outcomes }",
        "only a talk has an outcome",
    ),
    (
        "playbook",
        "call: { accepts: talk, outcomes: outcomes }",
        "call: { accepts: video }",
        "'video' is not possible here; known: file, link, note, talk",
    ),
    ("playbook", "playbook: bakery\n", "", "'playbook' is missing; write 'playbook: …'"),
    ("playbook", "lanes: [counter]", "pipelines: [ordrs]\nlanes: [counter]", "did you mean 'orders'?"),
    ("thanks", "subject: Thank you", "subject: ''", "subject: this must not be empty"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "sentence"), WRONG)
def test_a_mistake_gets_a_sentence(file, right, wrong, sentence):
    found = mistakes(spoiled(file, right, wrong))
    assert any(sentence in line for line in found), found


def test_every_mistake_of_every_file_is_found_at_once():
    texts = spoiled("orders", "sla: 4 business hours", "sla: soon")
    texts["playbook.yaml"] = (
        texts["playbook.yaml"].replace("pieces:", "pices:").replace("Europe/Berlin", "Berlin")
    )
    texts["messages/thanks.yaml"] = texts["messages/thanks.yaml"].replace("contact.name", "contct.name")
    found = mistakes(texts)
    assert {line.split(":")[0] for line in found} == {"orders.yaml", "playbook.yaml", "messages/thanks.yaml"}
    assert len(found) >= 5


def test_a_mistake_in_a_default_is_told_once_though_every_stage_inherits_it():
    found = mistakes(spoiled("orders", "notify: shop", "notify: shp"))
    assert len(found) == 1


def test_a_mistake_names_the_line_it_stands_in_below_a_folded_text():
    texts = spoiled("orders", "department: shop", "department: shop\npurpose: >\n  one\n\n  two\n  three")
    texts["orders.yaml"] = texts["orders.yaml"].replace("evidence: call", "evidence: cll")
    assert mistakes(texts)[0].startswith("orders.yaml:15: stages.asked.leave[1].evidence")


def test_a_playbook_without_its_main_file_or_without_a_pipeline_says_so():
    assert mistakes({"orders.yaml": files()["orders.yaml"]}) == [
        "playbook.yaml: there is no such file; write one"
    ]
    assert "the playbook has no pipeline" in mistakes({"playbook.yaml": files()["playbook.yaml"]})[0]


def test_files_that_mean_nothing_are_named():
    found = mistakes({**files(), "notes/plan.yaml": "a: b", "again.yaml": files()["orders.yaml"]})
    assert any("notes/plan.yaml:1: this file is not used" in line for line in found)
    assert any("'orders' is written in" in line for line in found)


def test_a_missing_folder_suggests_the_nearest_playbook():
    with pytest.raises(BrokenPlaybook, match="did you mean 'wispgate'"):
        find_folder("wispgte")
    for name in ("../wispgate", "/etc", "", "wispgate\x00", "x" * 5000):
        with pytest.raises(BrokenPlaybook):
            load(find_folder(name))
    assert find_folder("wispgate") == LIBRARY / "wispgate"


def test_words_of_hostile_length_and_form_are_shown_short_and_on_one_line():
    assert shown("a\nb\x1b[31mc\u202ed") == "a b [31mc d"
    assert len(shown("x" * 10_000)) < 70
    assert nearest("x" * 10_000, ["a", "b"]) == "known: a, b"
    assert path_in_words(("stages", "a", "leave", 0, "field")) == "stages.a.leave[0].field"


def test_cutting_and_scrambling_never_ends_in_a_trace():
    """A thousand broken playbooks: each compiles or gives sentences."""
    random_ = random.Random(20_270_131)
    for _ in range(300):
        texts = files()
        name = random_.choice(list(texts))
        text = texts[name]
        start = random_.randrange(len(text))
        end = min(len(text), start + random_.randrange(1, 30))
        middle = random_.choice(
            ["", "[", "{", ": ", "- ", "null", "7", "[[a, b]]", "\n", "'", "é\u2028", "*a", "&a "]
        )
        for line in mistakes({**texts, name: text[:start] + middle + text[end:]}):
            assert "Traceback" not in line
            assert line.startswith(("playbook.yaml", "orders.yaml", "messages/"))
