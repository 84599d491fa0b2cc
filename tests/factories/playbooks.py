"""Published playbooks: the shipped one, and a small one whose stages each test writes itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from textwrap import indent
from typing import Any

from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.governance.playbooks.load import Loaded, find_folder, load
from lifecycle.governance.playbooks.publish import Published, publish
from lifecycle.records.people.actor import SYSTEM

GROWTH = "wispgate.growth"
LAB = "lab.trials"

_LAB = """\
playbook: lab
name: Lab
departments: { bench: Bench, office: Office }
roles: { bench_manager: Bench manager }
calendars:
  weekdays: { time_zone: Europe/London, hours: { mon-fri: "09:00-17:00" }, holidays: { add: ["2026-12-25"] } }
lists:
  outcomes: { replied: They replied, no_answer: No answer }
fields:
  colour: { options: { red: Red, blue: Blue } }
  colours: { type: choices, options: { red: Red, blue: Blue } }
  pieces: { type: integer }
  price: money
  discount: { type: percent, minimum: 0, maximum: 100 }
  wish: long_text
  why: text
  ready_on: { name: Ready on, type: date }
  code: { type: text, pattern: "[A-Z]{3}", pattern_says: write three capital letters }
  agreed: yes_no
  mail: email
  call_number: phone
  site: url
  district: { of: account }
  country: { of: account }
checklists:
  bench_clear: { wiped: It is wiped, empty: It is empty, lit: The lamp is on }
evidence:
  photo: { accepts: [file, link, note] }
  call: { accepts: talk, outcomes: outcomes }
meetings:
  review: { name: Bench review, agenda: { Results: 20, Next: 10 } }
"""


def lab(
    stages: str,
    moves: str = "",
    *,
    defaults: str = "{}",
    title: str = "",
    main: str = "",
    first_value: str = "",
    files: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return a playbook of one pipeline with these stages, and a won and a lost one behind them.

    Args:
        main: more of playbook.yaml.
        files: further files by name, like `rules.yaml` and `messages/hello.yaml`.
    """
    pipeline = f"""\
pipeline: trials
department: bench
{f"first_value: {first_value}" if first_value else ""}
stage_defaults: {defaults}
stages:
{indent(stages.strip(chr(10)), "  ")}
  done: {{ kind: won }}
  lost: {{ kind: lost, asks: {{ why: text }} }}
moves:
  - {{ from: every open stage, to: lost, kind: close }}
  - {{ from: lost, to: first, kind: reopen, by: manager, asks: {{ because: text }} }}
{indent(moves.strip(chr(10)), "  ")}
"""
    whole = _LAB + (f"purpose: {title}\n" if title else "") + main
    return {"playbook.yaml": whole, "trials.yaml": pipeline, **(files or {})}


def publish_lab(app: Flask, stages: str, moves: str = "", **more: Any) -> Published:
    """Publish the lab with these stages; publishing it again makes a new revision."""
    with app.app_context(), transaction():
        return publish(_read(tuple(lab(stages, moves, **more).items())), SYSTEM)


def publish_growth(app: Flask) -> Published:
    """Publish the shipped playbook with its Growth pipeline."""
    with app.app_context(), transaction():
        return publish(shipped("wispgate"), SYSTEM)


@cache
def shipped(name: str) -> Loaded:
    """A playbook that comes with the product, read once a process: it takes longer than most tests."""
    return load(find_folder(name))


@lru_cache(maxsize=256)
def _read(files: tuple[tuple[str, str], ...]) -> Loaded:
    return load(dict(files))
