"""E20 and E29: what is decoration only is found, with what to write."""

from __future__ import annotations

from datetime import date

import pytest

from lifecycle.governance.playbooks.doctor import care_of, examine
from tests.governance.playbooks.writing import compiled, files, spoiled

TODAY = date(2026, 11, 22)


def _found(texts: dict[str, str]) -> list[str]:
    return [str(finding) for finding in examine(compiled(texts), TODAY)]


def test_the_bakery_lacks_nothing_but_uses_not_all():
    assert _found(files()) == [
        "warning: bakery: No gate asks for the evidence 'picture'. Use it or leave it out.",
        "warning: bakery: No gate asks for the meeting 'tasting'. Use it or leave it out.",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "gap"),
    [
        ("orders", ", notify: shop", "", "gap: bakery.orders: Asked: Notification is missing."),
        ("orders", "sla: 4 business hours, ", "", "gap: bakery.orders: Baking: SLA is missing."),
        ("orders", "    next_action: Call back\n", "", "gap: bakery.orders: Asked: Next action is missing."),
        ("orders", "      - evidence: call\n", "", "gap: bakery.orders: Asked: Evidence is missing."),
        ("orders", "      - field: [loaf, pieces]\n      - evidence: call\n",
         "      - evidence: call\n        severity: warning\n",
         "gap: bakery.orders: Asked: Required input is missing."),
        ("orders", ", asks: { wish: long_text }", "", "gap: bakery.orders: Sold: Evidence is missing."),
        ("playbook", "process_owner: shop_manager\n", "", "gap: bakery: Nobody owns the process."),
        ("playbook", "review_on: 2027-01-31\n", "", "gap: bakery: No date is set for its review."),
    ],
)  # fmt: skip
def test_what_is_missing_is_a_gap(file, old, new, gap):
    found = _found(spoiled(file, old, new))
    assert any(line.startswith(gap) for line in found), found
    assert found[0].startswith("gap")


def test_a_review_that_is_due_is_a_warning():
    found = _found(spoiled("playbook", "2027-01-31", "2026-11-21"))
    assert "warning: bakery: Its review was due on 2026-11-21. Review it and set the next date." in found


def test_more_than_eight_open_stages_need_a_reason():
    more = "".join(
        f"  extra_{n}: {{ next_action: Go on, leave: [{{ evidence: picture }}] }}\n" for n in range(7)
    )
    texts = spoiled("orders", "  sold:", f"{more}  sold:")
    assert any("It has 9 open stages" in line for line in _found(texts))
    texts["orders.yaml"] = texts["orders.yaml"].replace(
        "department: shop", "department: shop\nwhy_so_many: Bread.", 1
    )
    assert not any("open stages" in line for line in _found(texts))


def test_a_move_that_asks_and_checks_nothing_is_unguided():
    texts = spoiled("orders", ", kind: revision, asks: { why: text }", ", kind: revision")
    assert any("The move from Baking to Asked has no guided form." in line for line in _found(texts))


def test_a_waiver_at_a_client_gate_is_warned_of():
    texts = spoiled("orders", "    department: oven\n", "    department: oven\n    client_gate: yes\n")
    assert any("A check of this client gate can be waived." in line for line in _found(texts))


def test_the_care_of_a_stage_reads_as_words():
    playbook = compiled()
    words = dict(care_of(playbook, playbook.pipeline("orders").stage("baking")).items())
    assert words == {
        "Owner": "Oven: the department in turn",
        "Required input": "Dough, Enough",
        "Notification": "Shop",
        "SLA": "4 business hours",
        "Evidence": "Dough",
        "Next action": "Bake",
    }
