"""What the words of a playbook come to (E1, E2, E4, E7, E9 to E11)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lifecycle.core.durations import parse_duration
from lifecycle.governance.language.model import NotifyDef, Option
from tests.governance.playbooks.writing import compiled, files, spoiled


def test_a_stage_says_only_what_differs_from_its_defaults():
    orders = compiled().pipeline("orders")
    asked, baking, sold, lost = orders.stages
    assert (asked.name, asked.department, baking.department) == ("Asked", "shop", "oven")
    assert asked.owner_rule == "round_robin"
    assert asked.sla is not None
    assert asked.sla.duration == parse_duration("4 business hours")
    assert asked.calendar == "weekdays"
    assert (asked.phase, asked.lane) == ("order", "counter")
    assert asked.notify == (NotifyDef(("shop",)),)
    assert (sold.kind, sold.sla, lost.kind) == ("won", None, "lost")
    assert [stage.can_create for stage in orders.stages] == [True, False, False, False]
    assert baking.next_action is not None
    assert (baking.next_action.text, str(baking.next_action.due)) == ("Bake", "1 day")


def test_forward_is_the_order_of_the_file_and_ends_at_the_first_closed_stage():
    orders = compiled().pipeline("orders")
    assert [stage.key for stage in orders.path] == ["asked", "baking", "sold"]
    forward = orders.edge("asked", "baking")
    assert forward is not None
    assert (forward.kind, forward.is_implied) == ("forward", True)
    assert orders.edge("sold", "lost") is None
    assert orders.edge("asked", "sold") is None
    assert [stage.key for stage in orders.jumped("asked", "sold")] == ["baking"]
    assert orders.is_skip("asked", "sold")
    assert not orders.is_skip("asked", "baking")
    assert orders.jumped("asked", "lost") == ()
    assert orders.jumped("asked", "no_such_stage") == ()


def test_other_moves_are_declared():
    orders = compiled().pipeline("orders")
    close, back = orders.edge("baking", "lost"), orders.edge("baking", "asked")
    assert close is not None
    assert back is not None
    assert (close.kind, back.kind) == ("close", "revision")
    assert [question.key for question in back.asks] == ["why"]
    assert orders.is_backward("baking", "asked")
    assert orders.is_backward("lost", "asked")
    assert not orders.is_backward("asked", "baking")
    assert [edge.to_stage for edge in orders.edges_from("baking")] == ["asked", "sold", "lost"]


def test_a_line_of_fields_is_a_check_each_and_their_keys_do_not_depend_on_the_order():
    keys = {check.key for check in compiled().pipeline("orders").stage("asked").leave}
    assert keys == {"asked.leave.field.loaf", "asked.leave.field.pieces", "asked.leave.evidence.call"}
    swapped = compiled(spoiled("orders", "[loaf, pieces]", "[pieces, loaf]"))
    assert {check.key for check in swapped.pipeline("orders").stage("asked").leave} == keys


def test_the_same_check_twice_keeps_two_keys():
    texts = spoiled(
        "orders", "- evidence: call", "- evidence: call\n      - evidence: { name: call, at_least: 3 }"
    )
    keys = [check.key for check in compiled(texts).pipeline("orders").stage("asked").leave]
    assert keys[-2:] == ["asked.leave.evidence.call", "asked.leave.evidence.call.2"]


def test_severity_waiver_condition_and_sentence_are_the_same_for_every_type():
    texts = spoiled(
        "orders",
        "- evidence: call",
        "- { evidence: call, severity: warning, waive: oven, when: card.pieces > 5, says: Ring. }",
    )
    check = compiled(texts).pipeline("orders").stage("asked").leave[-1]
    assert (check.severity, check.waive, check.says, check.side) == ("warn", "oven", "Ring.", "leave")
    assert check.when is not None
    assert check.when.evaluate({"card": {"pieces": 6}})
    plain = compiled().pipeline("orders").stage("asked").leave[-1]
    assert (plain.severity, plain.waive, plain.when) == ("block", None, None)


def test_fields_take_options_from_a_list_and_names_from_their_keys():
    fields = compiled().fields
    assert fields["loaf"].type == "choice"
    assert fields["loaf"].options == (Option("rye", "Rye"), Option("wheat", "Wheat"))
    assert fields["why_lost"].options[0] == Option("price", "Too expensive")
    assert (fields["pieces"].minimum, fields["pieces"].maximum) == (Decimal(1), Decimal(500))
    assert fields["district"].of == "account"
    assert not fields["district"].is_column
    assert fields["country"].is_column


def test_a_question_can_save_to_a_field_and_takes_type_and_options_from_it():
    orders = compiled().pipeline("orders")
    (reason,) = orders.stage("lost").asks
    assert (reason.key, reason.saves, reason.type) == ("reason", "why_lost", "choice")
    assert [option.key for option in reason.options] == ["price", "taste"]
    (wish,) = orders.stage("sold").asks
    assert (wish.type, wish.saves, wish.required) == ("long_text", None, True)


@pytest.mark.parametrize(
    ("written", "department"),
    [("notify: shop", ("shop",)), ("notify: [shop, oven]", ("shop", "oven")),
     ("notify: { departments: [shop, oven] }", ("shop", "oven"))],
)  # fmt: skip
def test_one_thing_needs_no_brackets(written, department):
    playbook = compiled(spoiled("orders", "notify: shop", written))
    assert playbook.pipeline("orders").stages[0].notify == (NotifyDef(department),)


def test_a_meeting_lasts_as_long_as_its_agenda():
    tasting = compiled().meetings["tasting"]
    assert tasting.minutes == 30
    assert tasting.agenda == (("Breads", 20), ("Order", 10))


def test_a_suggestion_needs_a_move_and_answers_that_it_asks_for():
    suggest = (
        "    suggest: { to: lost, when: card.days_in_stage > 30, answers: { reason: price }, says: Old. }\n"
    )
    playbook = compiled(spoiled("orders", "  baking:\n", f"{suggest}  baking:\n"))
    (suggestion,) = playbook.pipeline("orders").stage("asked").suggestions
    assert (suggestion.to, suggestion.answers, suggestion.says) == ("lost", {"reason": "price"}, "Old.")
    assert suggestion.when.evaluate({"card": {"days_in_stage": 31}})


def test_roles_read_as_their_names():
    playbook = compiled()
    assert playbook.name_of("shop") == "Shop"
    assert playbook.name_of("shop_manager") == "shop manager"


def test_a_playbook_knows_its_pipelines_by_key():
    with pytest.raises(KeyError):
        compiled().pipeline("invoices")
    assert compiled(files()).pipeline("orders").slug == "bakery.orders"
