"""A lab whose cards keep test runs in a table, and a gate that looks at the last of them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.governance.playbooks.publish import Published, publish
from lifecycle.records.people.actor import SYSTEM
from tests.factories.playbooks import lab

RUNS = """\
  runs:
    type: table
    name: Test runs
    help: Newest last.
    rows: 6
    columns:
      day: { type: date }
      loaded: { type: integer, minimum: 0, maximum: 5000 }
      cost: { type: money, required: no }
      result: { options: { passed: Passed, failed: Failed } }
      signed: { type: yes_no, required: no }
      note: { type: text, required: no, maximum: 40 }
"""
STAGES = """
first:
  leave:
    - field: runs
    - expression:
        name: last_run
        holds: card.runs[size(card.runs) - 1].result == 'passed'
        says: The last run has not passed.
        fix: [runs]
      when: has(card.runs)
second: {}
"""
FAILED = {"day": "2026-11-02", "loaded": 1200, "result": "failed", "note": "Two <b>bills</b>"}
PASSED = {"day": "2026-11-09", "loaded": 1840, "cost": "12.50", "result": "passed", "signed": False}


def table_files(
    stages: str = STAGES, fields: str = RUNS, files: Mapping[str, str] | None = None, title: str = ""
) -> dict[str, str]:
    """The lab's files with these further fields."""
    found = lab(stages, files=files, title=title)
    found["playbook.yaml"] = found["playbook.yaml"].replace("fields:\n", f"fields:\n{fields}", 1)
    return found


def publish_tables(
    app: Flask,
    stages: str = STAGES,
    fields: str = RUNS,
    files: Mapping[str, str] | None = None,
    title: str = "",
) -> Published:
    """Publish the lab with a table."""
    with app.app_context(), transaction():
        return publish(table_files(stages, fields, files, title), SYSTEM)


def cells(key: str, *rows: Mapping[str, object], count: int | None = None) -> dict[str, str]:
    """What a browser sends of a table of the card with these rows."""
    sent = {f"field-{key}-rows": str(len(rows) if count is None else count)}
    for number, row in enumerate(rows):
        for column, cell in row.items():
            word = {True: "yes", False: "no"}.get(cell, cell) if isinstance(cell, bool) else cell
            sent[f"field-{key}-{number}-{column}"] = str(word)
    return sent
