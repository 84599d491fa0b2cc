"""A small playbook to spoil in tests: texts by file name, with helpers that say what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from lifecycle.governance.language.errors import BrokenPlaybook
from lifecycle.governance.language.model import PlaybookDef
from lifecycle.governance.playbooks.compile import compile_document
from lifecycle.governance.playbooks.load import load

PLAYBOOK = """\
playbook: bakery
name: Bakery
process_owner: shop_manager
review_on: 2027-01-31
departments: [shop, oven]
lanes: [counter]
phases: { order: counter }
calendars:
  weekdays: { time_zone: Europe/Berlin, hours: { mon-fri: "08:00-16:00" } }
lists:
  reasons: { price: Too expensive, taste: Taste }
  outcomes: [replied, no_answer]
fields:
  loaf: { options: [rye, wheat] }
  pieces: { type: integer, minimum: 1, maximum: 500 }
  wish: long_text
  why_lost: reasons
  district: { of: account, type: text }
checklists:
  dough: { rested: The dough has rested, weighed: It is weighed }
evidence:
  call: { accepts: talk, outcomes: outcomes }
  picture: [file, link]
meetings:
  tasting: { agenda: { Breads: 20, Order: 10 } }
"""

ORDERS = """\
pipeline: orders
department: shop
stage_defaults: { owner: round robin, sla: 4 business hours, notify: shop }
stages:
  asked:
    phase: order
    next_action: Call back
    leave:
      - field: [loaf, pieces]
      - evidence: call
  baking:
    department: oven
    next_action: { do: Bake, due: 1 day }
    tasks: { weigh: Weigh the flour }
    leave:
      - checklist: dough
      - expression: { name: enough, holds: card.pieces > 10, says: Ten is too few., fix: [pieces] }
        waive: shop_manager
  sold: { kind: won, asks: { wish: long_text }, notify: { client: yes, message: thanks } }
  lost: { kind: lost, asks: { reason: why_lost } }
moves:
  - { from: every open stage, to: lost, kind: close }
  - { from: baking, to: asked, kind: revision, asks: { why: text } }
"""

THANKS = """\
subject: Thank you
text: Dear {{ contact.name }}, your {{ card.loaf }} is ready.
"""


def files(**changed: str) -> dict[str, str]:
    """Return the bakery's files; `playbook`, `orders` and `thanks` replace one."""
    texts = {"playbook": PLAYBOOK, "orders": ORDERS, "thanks": THANKS, **changed}
    return {
        "playbook.yaml": texts["playbook"],
        "orders.yaml": texts["orders"],
        "messages/thanks.yaml": texts["thanks"],
    }


def spoiled(file: str, old: str, new: str) -> dict[str, str]:
    """Return the bakery's files with one text replaced, which must be there."""
    texts = files()
    name = {"playbook": "playbook.yaml", "orders": "orders.yaml", "thanks": "messages/thanks.yaml"}[file]
    assert old in texts[name], old
    return {**texts, name: texts[name].replace(old, new, 1)}


def compiled(texts: Mapping[str, str] | None = None) -> PlaybookDef:
    """Return the bakery, or other texts, compiled."""
    return compile_document(load(files() if texts is None else texts))


def mistakes(texts: Mapping[str, str]) -> list[str]:
    """Return every mistake as its author would read it; none when the playbook is right."""
    try:
        compiled(texts)
    except BrokenPlaybook as broken:
        return [str(error) for error in broken.errors]
    return []
